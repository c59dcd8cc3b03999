package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// storing is how many events of one request are stored at the same time: they
// share commits of the store.
const storing = 32

// deliver stores a build for every event of every project, and makes the
// answer.
func (in *Intake) deliver(ctx context.Context, v *visit, r *brigade.Reading, to recipients) answer {
	targets, notes, limited := in.withinLimits(v, to.targets)
	notes = append(to.notes, notes...)
	if limited != nil {
		v.delivery.Outcome, v.delivery.Reason = brigade.OutcomeRefused, limited.body.(failure).Error
		return *limited
	}
	targets, ignored, err := in.complete(ctx, v, r, targets)
	if err != nil {
		return in.fail(v, err)
	}
	if len(targets) == 0 {
		return ignore(v, r, strings.Join(append(ignored, notes...), "; "))
	}
	notes = append(notes, ignored...)
	builds, fresh, err := in.store(ctx, v, targets)
	v.delivery.Builds = make([]string, 0, len(builds))
	for _, b := range builds {
		v.delivery.Builds = append(v.delivery.Builds, b.ID)
	}
	if err != nil {
		return in.fail(v, err)
	}
	a := answer{status: http.StatusAccepted, body: accepted{Builds: v.delivery.Builds, Repeat: fresh == 0}}
	v.delivery.Outcome = brigade.OutcomeAccepted
	if fresh == 0 {
		a.status, v.delivery.Outcome = http.StatusOK, brigade.OutcomeRepeat
	}
	v.delivery.Reason = joined(v.delivery.Reason, notes)
	v.delivery.Reason = strings.TrimPrefix(v.delivery.Reason, "; ")
	return a.or(r, builds)
}

type accepted struct {
	Builds []string `json:"builds"`
	Repeat bool     `json:"repeat,omitempty"`
}

// buildsHeader names the builds of a success answer, up to maxNamed of them: a
// gateway's own answer may have no place for them, such as those of v1.
const (
	buildsHeader = "Brigade-Builds"
	maxNamed     = 100
)

// or is the gateway's own success answer, when it has one.
func (a answer) or(r *brigade.Reading, builds []*brigade.Build) answer {
	a.header = withBuilds(r.Header, builds)
	if r.Answer != nil {
		status, body := r.Answer(builds)
		if status >= 200 && status <= 599 {
			a.status = status
		}
		a.body = body
	}
	return a
}

// withBuilds are the headers with the IDs of the builds.
func withBuilds(header http.Header, builds []*brigade.Build) http.Header {
	if len(builds) == 0 {
		return header
	}
	var ids []string
	for _, b := range builds[:min(len(builds), maxNamed)] {
		ids = append(ids, b.ID)
	}
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(buildsHeader, strings.Join(ids, ", "))
	return header
}

// withinLimits leaves out subscribers that are over their rate. When the named
// project is, or nobody is left, the whole request is refused.
func (in *Intake) withinLimits(v *visit, targets []target) (left []target, notes []string, refused *answer) {
	if v.redeliver {
		return targets, nil, nil
	}
	now := in.opt.Now()
	for _, t := range targets {
		most := t.project.Limits.Events
		if most <= 0 {
			most = in.opt.Limits.Events
		}
		wait := in.perMin.take(t.project.ID, len(t.events), most, now)
		if wait == 0 {
			left = append(left, t)
			continue
		}
		in.stats.limited.Add(1)
		over := answer{status: http.StatusTooManyRequests, body: failure{fmt.Sprintf("the project takes %d events per minute", most)}, retry: wait}
		if t.named {
			return nil, nil, &over
		}
		notes = append(notes, fmt.Sprintf("%s did not get it: it takes %d events per minute", t.project.Name, most))
		refused = &over
	}
	if len(left) > 0 {
		refused = nil
	}
	return left, notes, refused
}

// complete has the gateway finish the events for each project. Projects for
// which nothing is to be started are left out, and ignored says why.
func (in *Intake) complete(ctx context.Context, v *visit, r *brigade.Reading, targets []target) (left []target, ignored []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, in.opt.Limits.Complete)
	defer cancel()
	for _, t := range targets {
		events := append([]brigade.Event(nil), t.events...)
		if r.Complete != nil {
			if events, err = r.Complete(ctx, t.project, events); err != nil {
				var nothing *brigade.IgnoredError
				if !errors.As(err, &nothing) {
					return nil, nil, completeError(err)
				}
				ignored = append(ignored, nothing.Reason)
				continue
			}
		}
		if len(events) == 0 {
			ignored = append(ignored, "nothing is to be started")
			continue
		}
		for i := range events {
			in.identify(v, &events[i])
		}
		t.events = events
		left = append(left, t)
	}
	return left, ignored, nil
}

// completeError is what a gateway could not complete: the sender's fault, or
// something that may be better the next time.
func completeError(err error) error {
	switch brigade.CodeOf(err) {
	case brigade.CodeInvalid, brigade.CodeTooLarge, brigade.CodeLimited:
		return err
	}
	return &brigade.Error{Code: brigade.CodeUnavailable, Message: "complete the event", Err: err}
}

// identify makes the event's key one that no other gateway uses, and takes
// the trace context over from the request.
func (in *Intake) identify(v *visit, e *brigade.Event) {
	if e.Key != "" {
		if prefix := v.gateway.Name() + ":"; !strings.HasPrefix(e.Key, prefix) {
			e.Key = prefix + e.Key
		}
		if v.again {
			e.Key = cut(e.Key, maxKey/2) + "+" + v.delivery.ID
		}
		e.Key = shortKey(e.Key)
	}
	if e.TraceParent == "" {
		if tp := v.inbound.Header.Get("Traceparent"); traceParent.MatchString(tp) {
			e.TraceParent = tp
		}
	}
	if v.actor != "" && e.Actor == "" {
		e.Actor = v.actor
	}
}

// store stores all builds, in the order of the events, and returns them with
// how many are no repeats. When one fails, those that were stored stay: the
// sender repeats the request, and then they are recognised.
func (in *Intake) store(ctx context.Context, v *visit, targets []target) (builds []*brigade.Build, fresh int, err error) {
	ctx, cancel := context.WithTimeout(ctx, in.opt.Limits.Store)
	defer cancel()
	var list []Submission
	for _, t := range targets {
		for _, e := range t.events {
			list = append(list, Submission{Project: t.project, Event: e})
		}
	}
	now := in.opt.Now()
	for i := range list { // all or none, as far as that can be known
		if err := cleanEvent(&list[i].Event); err != nil {
			return nil, 0, err
		}
		list[i].id = id.New(now)
	}
	results := make([]*brigade.Build, len(list))
	repeats := make([]bool, len(list))
	errs := make([]error, len(list))
	one := func(i int) {
		defer func() {
			if p := recover(); p != nil { // it may be a goroutine of its own
				errs[i] = fmt.Errorf("storing an event panicked at %s", panicAt())
			}
		}()
		results[i], repeats[i], errs[i] = in.submit(ctx, list[i], in.opt.Limits.Repeats)
	}
	if len(list) == 1 {
		one(0)
	} else {
		in.inParallel(len(list), one)
	}
	for i, b := range results {
		if b == nil {
			continue
		}
		builds = append(builds, b)
		if !repeats[i] {
			fresh++
		}
	}
	return builds, fresh, errors.Join(errs...)
}

// inParallel calls do for 0 … n-1, some at a time.
func (in *Intake) inParallel(n int, do func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, storing)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}

// traceParent matches a trace context of W3C's Trace Context, version 00 and later.
var traceParent = lazyregexp.New(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// shortKey returns the key, or its digest when it is too long or no plain text.
func shortKey(key string) string {
	if len(key) <= maxKey && !strings.ContainsFunc(key, unprintable) {
		return key
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
}
