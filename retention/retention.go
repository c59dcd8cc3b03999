// Package retention deletes what nobody wants to keep any more: builds that
// are too old or too many, with their jobs, logs and artifacts, and old
// records. What runs or waits is never deleted, nor what is pinned, nor what a
// build that has not ended takes results from.
//
// A project's own Retention goes before the installation's: its ages (both of
// them, when it sets one) and its count. Age bounds builds that succeeded or
// were canceled, FailedAge those that failed; without it Age does. Count bounds
// all builds of a project, the failed ones too: of those beyond it, no age
// saves any. A build counts as old from its end.
package retention

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	page     = 200 // builds looked at in one go
	workers  = 8   // builds deleted at once: the store flushes them together
	pause    = time.Second
	settling = time.Hour
	// strange is how far the clock may go ahead of time between two sweeps.
	strange = 10 * time.Minute
)

// Store is what retention needs of a store.
type Store interface {
	brigade.Projects
	brigade.Builds
	brigade.Records
}

// Artifacts are the files that jobs left behind.
type Artifacts interface {
	// DeleteArtifacts removes all artifacts of a build. An unknown build is no
	// error.
	DeleteArtifacts(ctx context.Context, buildID string) error
}

// Options are the parts a Sweeper works with. Store is required.
type Options struct {
	Store     Store
	Artifacts Artifacts         // nil: there are none
	Global    brigade.Retention // where a project does not say otherwise; zero: everything is kept
	// Records is how long records of a kind are kept. Their keys must be
	// ULIDs.
	Records map[string]time.Duration
	Every   time.Duration // between sweeps, give or take a tenth; default 10 min
	// Most is how many builds a sweep deletes at most; default 2000. Run goes
	// on soon when there are more.
	Most int
	Now  func() time.Time // default time.Now
	// Elapsed is a clock that nobody sets, by which jumps of Now are noticed;
	// default the time since New.
	Elapsed func() time.Duration
	Log     *slog.Logger // default none
}

// Sweeper deletes. Make it with New.
type Sweeper struct {
	opt Options

	mu      sync.Mutex // one sweep at a time
	clock   clock
	cursor  string             // where the look for builds without a project goes on
	settled map[string]settled // by project ID
}

// Report says what a sweep did.
type Report struct {
	Builds  int            `json:"builds"`            // deleted, with all that is theirs
	Old     int            `json:"old"`               // of them because of their age
	Excess  int            `json:"excess"`            // of them because there were too many
	Kept    int            `json:"kept"`              // were due but are pinned, needed, or changed meanwhile
	Failed  int            `json:"failed"`            // could not be deleted
	Records map[string]int `json:"records,omitempty"` // deleted, by kind
	More    bool           `json:"more,omitempty"`    // there is more to delete
	Waits   bool           `json:"waits,omitempty"`   // the clock has jumped: ages mean nothing for a while
}

// New returns a Sweeper. It does nothing before Run or Sweep.
func New(o Options) *Sweeper {
	o.Every = cmp.Or(max(0, o.Every), 10*time.Minute)
	o.Most = cmp.Or(max(0, o.Most), 2000)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Elapsed == nil {
		start := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(start) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Sweeper{opt: o, settled: map[string]settled{}}
}

// Run sweeps until ctx ends, the first time soon. What goes wrong is logged and
// tried again the next time.
func (s *Sweeper) Run(ctx context.Context) {
	timer := time.NewTimer(rand.N(min(s.opt.Every, 30*time.Second)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r, err := s.Sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.opt.Log.Error("delete old builds", "err", err)
		}
		if r.Builds > 0 || r.Failed > 0 || len(r.Records) > 0 {
			s.opt.Log.Info("deleted what is not to be kept", "builds", r.Builds, "old", r.Old, "excess", r.Excess, "failed", r.Failed, "records", r.Records)
		}
		next := s.opt.Every - s.opt.Every/10 + rand.N(s.opt.Every/5+1)
		if r.More && err == nil {
			next = min(next, pause)
		}
		timer.Reset(next)
	}
}

// Sweep deletes what is due now, up to Options.Most builds. The report is right
// even with an error, which may be that of the first of several builds that
// could not be deleted.
func (s *Sweeper) Sweep(ctx context.Context) (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &sweep{Sweeper: s, now: s.opt.Now(), seen: map[string]bool{}}
	var jumped bool
	if w.steady, jumped = s.clock.steady(w.now, s.opt.Elapsed()); jumped {
		s.opt.Log.Warn("the clock has jumped; nothing is deleted because of its age for a while", "now", w.now, "for", settling)
	}
	w.report.Waits = !w.steady
	err := w.run(ctx)
	if err == nil {
		err = w.first
	}
	return w.report, err
}

func (w *sweep) run(ctx context.Context) error {
	if err := w.findNeeded(ctx); err != nil {
		return fmt.Errorf("look for builds that others need: %w", err)
	}
	projects, err := w.opt.Store.ListProjects(ctx)
	if err != nil {
		return fmt.Errorf("read the projects: %w", err)
	}
	for _, p := range projects {
		w.seen[p.ID] = true
	}
	for _, p := range projects {
		if err := w.project(ctx, p.ID, effective(w.opt.Global, p.Retention)); err != nil {
			return fmt.Errorf("delete builds of %s: %w", p.Name, err)
		}
	}
	if err := w.orphans(ctx); err != nil {
		return fmt.Errorf("delete builds of deleted projects: %w", err)
	}
	return w.records(ctx)
}

// effective is what holds for a project.
func effective(global brigade.Retention, own *brigade.Retention) brigade.Retention {
	r := global
	if own != nil {
		if own.Age > 0 || own.FailedAge > 0 {
			r.Age, r.FailedAge = own.Age, own.FailedAge
		}
		r.Count = cmp.Or(max(0, own.Count), r.Count)
	}
	if r.FailedAge <= 0 {
		r.FailedAge = r.Age
	}
	return r
}

// clock notices when the time of day jumps.
type clock struct {
	known   bool
	now     time.Time
	elapsed time.Duration
	until   time.Duration // of elapsed: until then no age is believed
}

// steady reports whether now can be believed, and whether it has jumped since
// the last call. A clock that was set back deletes too little at the worst, so
// only jumps ahead count.
func (c *clock) steady(now time.Time, elapsed time.Duration) (steady, jumped bool) {
	if c.known {
		jumped = now.Round(0).Sub(c.now)-(elapsed-c.elapsed) > strange
	}
	if jumped {
		c.until = elapsed + settling
	}
	c.known, c.now, c.elapsed = true, now.Round(0), elapsed
	return elapsed >= c.until, jumped
}
