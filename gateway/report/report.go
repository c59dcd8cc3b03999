// Package report tells forges how builds go: a check run, a commit status. It
// follows the feed, and reads from the store what it reports, so that it can
// neither slow down who runs builds nor tell something that was not kept.
package report

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// Defaults of Options.
const (
	DefaultQueue    = 10_000
	DefaultParallel = 4
	DefaultAttempts = 15
	DefaultTimeout  = time.Minute
)

const (
	recordKind = "report" // of builds whose end is still to be reported, by ID
	longest    = time.Hour
	pageSize   = 1000
	maxPages   = 20 // of builds that are looked through after changes were missed
)

// Store is what reports need of a store.
type Store interface {
	brigade.Projects
	brigade.Builds
	brigade.Jobs
}

// Options shape Reports. Store and Feed are required.
type Options struct {
	Store Store
	Feed  brigade.Feed
	// Records remembers over a restart which builds' end is still to be
	// reported. nil: nobody does.
	Records brigade.Records
	// Forges shape the reporters that All lists; Reporters, when set, are
	// used instead of those.
	Forges    Forges
	Reporters []brigade.Reporter

	Queue    int           // builds under way or still to be reported; further ones are not
	Parallel int           // reports at a time
	Attempts int           // of one report before it is given up
	Backoff  time.Duration // before the second attempt, then doubled; default 1 s. A forge's Retry-After counts when it is longer
	Timeout  time.Duration // of one attempt
	Now      func() time.Time
	Log      *slog.Logger // default none
}

// Reports passes the states of builds on to reporters.
type Reports struct {
	opt       Options
	reporters []brigade.Reporter

	// What follows belongs to the goroutine of Run.
	known  map[string]*entry
	queue  due
	active int // goroutines that report
}

// entry is a build that is under way, or whose end is still to be reported.
type entry struct {
	id       string
	reporter brigade.Reporter
	event    string    // its type
	worth    bool      // it does something: its event had a handler, a job was started, or it failed
	ended    bool      // according to the last change
	dirty    bool      // there is something to report
	busy     bool      // a report is under way
	attempts int       // that failed, of what is to be reported
	at       time.Time // when the next one is due
	index    int       // in the queue; -1: not in it
}

// New returns Reports, or an error that names the missing part.
func New(o Options) (*Reports, error) {
	if o.Store == nil || o.Feed == nil {
		return nil, errors.New("report: Store and Feed are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	r := &Reports{opt: o, reporters: o.Reporters, known: map[string]*entry{}}
	if r.reporters == nil {
		r.reporters = All(o.Forges)
	}
	return r, nil
}

// result is how an attempt ended.
type result struct {
	e     *entry
	final bool // the end of the build was reported, or nothing is to be
	err   error
}

// missedBuild is a build that may have changed unseen.
type missedBuild struct {
	build *brigade.Build
	did   bool // it is known to have done something
}

// Run reports until ctx ends or the feed is closed, and returns when no report
// is under way any more. What is not reported by then is reported by the next
// Run, if there are Records. Call it once.
func (r *Reports) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result)
	missed := make(chan []missedBuild)
	changes := r.follow(ctx, missed, time.Time{})
	received := false // something, from changes
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	reading := 1 // goroutines that read what was missed
	defer func() {
		cancel()
		for ; reading > 0; reading-- {
			<-missed
		}
		for ; r.active > 0; r.active-- {
			<-results
		}
	}()
	for {
		r.start(ctx, results)
		if next, there := r.queue.next(); there && r.active < r.opt.Parallel {
			timer.Reset(max(next.Sub(r.opt.Now()), 0))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case c, open := <-changes:
			if open {
				received = true
				r.see(c)
				continue
			}
			if ctx.Err() != nil || !received { // who is too slow has received a lot before
				return nil
			}
			received = false
			r.opt.Log.Warn("changes of builds were missed; looking them up")
			changes = r.follow(ctx, missed, r.opt.Now().Add(-time.Minute))
			reading++
		case builds := <-missed:
			reading--
			for _, m := range builds {
				r.seeBuild(m.build, m.did)
			}
		case res := <-results:
			r.active--
			if ctx.Err() != nil {
				return nil
			}
			r.done(res, results)
		case <-timer.C:
		}
	}
}

// follow subscribes, and then reads from the store what happened before.
func (r *Reports) follow(ctx context.Context, missed chan<- []missedBuild, since time.Time) <-chan brigade.Change {
	changes := r.opt.Feed.Subscribe(ctx, "")
	ids := make([]string, 0, len(r.known))
	for id := range r.known {
		ids = append(ids, id)
	}
	go func() { missed <- r.lookUp(ctx, since, ids) }()
	return changes
}

// see takes in a change. It must be quick: all changes pass here.
func (r *Reports) see(c brigade.Change) {
	switch {
	case c.Build != nil:
		r.seeBuild(c.Build, c.Build.State == brigade.StateFailed || c.Build.Retries > 0)
	case c.Job != nil:
		if e := r.known[c.BuildID]; e != nil {
			r.makeWorth(e)
		}
	case c.Fired != nil && c.Fired.Handled:
		if e := r.known[c.BuildID]; e != nil && c.Fired.Name != "after" && c.Fired.Name != "error" {
			r.makeWorth(e)
		}
	}
}

// seeBuild takes in a build's state. did says that it is known to have done
// something.
func (r *Reports) seeBuild(b *brigade.Build, did bool) {
	if b.State == brigade.StatePending && b.Retries == 0 {
		return
	}
	e := r.known[b.ID]
	if e == nil {
		reporter := r.reporterOf(&b.Event)
		if reporter == nil {
			return
		}
		if len(r.known) >= r.opt.Queue {
			r.opt.Log.Warn("too many builds are still to be reported; one is not", "build", b.ID, "queue", r.opt.Queue)
			return
		}
		e = &entry{id: b.ID, reporter: reporter, event: b.Event.Type, index: -1}
		r.known[b.ID] = e
	}
	e.ended = b.State.Ended()
	switch {
	case did || e.worth || (b.State == brigade.StateCanceled && !b.Started.IsZero()):
		e.worth = true
		r.changed(e)
	case e.ended:
		delete(r.known, e.id) // it did nothing, so there is nothing to say
	}
}

func (r *Reports) reporterOf(e *brigade.Event) brigade.Reporter {
	for _, reporter := range r.reporters {
		if reporter.Reports(e) {
			return reporter
		}
	}
	return nil
}

func (r *Reports) makeWorth(e *entry) {
	if !e.worth {
		e.worth = true
		r.changed(e)
	}
}

// changed puts e into the queue. One that waits for another attempt keeps
// waiting: the forge asked for it.
func (r *Reports) changed(e *entry) {
	e.dirty = true
	if e.busy || e.index >= 0 {
		return
	}
	e.at = r.opt.Now()
	heap.Push(&r.queue, e)
}

// start begins the reports that are due.
func (r *Reports) start(ctx context.Context, results chan<- result) {
	for r.active < r.opt.Parallel {
		next, there := r.queue.next()
		if !there || next.After(r.opt.Now()) {
			return
		}
		e, ok := heap.Pop(&r.queue).(*entry)
		if !ok {
			return
		}
		e.busy, e.dirty = true, false
		r.active++
		go func() { results <- r.attempt(ctx, e) }()
	}
}

// done takes in how an attempt ended.
func (r *Reports) done(res result, results chan<- result) {
	e := res.e
	e.busy = false
	if res.err == nil {
		e.attempts = 0
		switch {
		case e.dirty:
			r.changed(e)
		case res.final:
			delete(r.known, e.id)
		}
		return
	}
	again, after := forge.Again(res.err)
	again = again || brigade.CodeOf(res.err) == brigade.CodeStore
	e.attempts++
	if !again || e.attempts >= r.opt.Attempts {
		r.opt.Log.Warn("a build's state cannot be reported", "build", e.id, "event", e.event, "attempts", e.attempts, "err", res.err)
		e.attempts = 0
		switch {
		case e.dirty: // its end may be reported, though
			r.changed(e)
		case e.ended:
			e.busy = true
			r.active++
			go func() {
				r.forget(e.id)
				results <- result{e: e, final: true}
			}()
		}
		return
	}
	wait := max(brigade.Retry{Backoff: brigade.Duration(r.opt.Backoff)}.Delay(e.attempts), after)
	r.opt.Log.Debug("reporting a build's state is tried again", "build", e.id, "in", wait, "err", res.err)
	e.dirty = true
	e.at = r.opt.Now().Add(min(wait, longest))
	heap.Push(&r.queue, e)
}

// attempt reports the present state of a build. It reads e's unchanging
// fields only.
func (r *Reports) attempt(ctx context.Context, e *entry) result {
	ctx, cancel := context.WithTimeout(ctx, r.opt.Timeout)
	defer cancel()
	b, err := r.opt.Store.Build(ctx, e.id)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		r.forget(e.id)
		return result{e: e, final: true}
	}
	if err != nil {
		return result{e: e, err: storeError("read the build", err)}
	}
	p, err := r.opt.Store.Project(ctx, b.ProjectID)
	if brigade.CodeOf(err) == brigade.CodeNotFound || (err == nil && p.NoReports) {
		r.forget(e.id)
		return result{e: e, final: b.State.Ended()}
	}
	if err != nil {
		return result{e: e, err: storeError("read the project", err)}
	}
	jobs, err := r.opt.Store.ListJobs(ctx, b.ID)
	if err != nil {
		return result{e: e, err: storeError("read the jobs", err)}
	}
	r.remember(ctx, e.id)
	if err := e.reporter.Report(ctx, p, b, jobs); err != nil {
		return result{e: e, err: fmt.Errorf("report to %s: %w", b.Event.Provider, err)}
	}
	if b.State.Ended() {
		r.forget(e.id)
	}
	return result{e: e, final: b.State.Ended()}
}

func storeError(what string, err error) error {
	return &brigade.Error{Code: brigade.CodeStore, Message: what, Err: err}
}

// remember writes down that the build's end is still to be reported.
func (r *Reports) remember(ctx context.Context, id string) {
	if r.opt.Records == nil {
		return
	}
	if err := r.opt.Records.PutRecord(ctx, recordKind, id, []byte("{}")); err != nil {
		r.opt.Log.Warn("a report is not written down", "build", id, "err", err)
	}
}

func (r *Reports) forget(id string) {
	if r.opt.Records == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Timeout)
	defer cancel()
	if _, err := r.opt.Records.DeleteRecords(ctx, recordKind, id, true); err != nil {
		r.opt.Log.Warn("a report is not crossed out", "build", id, "err", err)
	}
}
