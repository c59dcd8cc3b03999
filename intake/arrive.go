package intake

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/brigadecore/brigade/v3"
)

// Decision says who decides which builds make room for others, where a
// project's concurrency strategy is not to wait.
type Decision int

// The decisions.
const (
	// DecideHere is for the only process that stores builds: Submit decides.
	DecideHere Decision = iota
	// DecideArrived is for the process that runs builds which others store, too:
	// it decides about each that Arrived is told of.
	DecideArrived
	// DecideElsewhere is for processes that store builds which another one runs.
	DecideElsewhere
)

// arrivals are builds about which is to be decided, by what they share. One
// goroutine decides, as long as there are some.
type arrivals struct {
	mu   sync.Mutex
	new  map[place]map[string]bool // by ID
	busy sync.WaitGroup
	runs bool
}

// place is where builds share a limit.
type place struct{ project, key string }

// Arrived is told of a build that waits and that any process has stored, and
// decides soon, as the strategy of its project says, which builds make room.
// It may be told of a build again, and of several in any order. With
// DecideArrived, Submit tells it of what it stores.
func (in *Intake) Arrived(ctx context.Context, b *brigade.Build) {
	if in.opt.Decide != DecideArrived || b.State != brigade.StatePending || b.ConcurrencyKey == "" || strings.HasPrefix(b.ConcurrencyKey, unknownKey) {
		return
	}
	a, at := &in.arrivals, place{b.ProjectID, b.ConcurrencyKey}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.new == nil {
		a.new = map[place]map[string]bool{}
	}
	if a.new[at] == nil {
		a.new[at] = map[string]bool{}
	}
	a.new[at][b.ID] = true
	if !a.runs {
		a.runs = true
		a.busy.Go(func() { in.decide(context.WithoutCancel(ctx)) })
	}
}

// decide decides until there is nothing to decide about.
func (in *Intake) decide(ctx context.Context) {
	a := &in.arrivals
	for {
		a.mu.Lock()
		all := a.new
		a.new = nil
		a.runs = len(all) > 0
		a.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for at, ids := range all {
			if err := in.makeRoom(ctx, at, ids); err != nil {
				in.opt.Log.Error("make room for builds", "project", at.project, "key", at.key, "err", err)
			}
		}
	}
}

// makeRoom ends the builds at a place that are to make room; with the strategy
// reject only some of those with the given IDs.
func (in *Intake) makeRoom(ctx context.Context, at place, ids map[string]bool) error {
	p, err := in.opt.Store.Project(ctx, at.project)
	if brigade.CodeOf(err) == brigade.CodeNotFound || err == nil && p.Concurrency == nil {
		return nil
	}
	if err != nil {
		return err
	}
	strategy, limit := p.Concurrency.Strategy, max(p.Concurrency.Limit, 1)
	switch strategy {
	case brigade.StrategyCancelOldest, brigade.StrategyNewestWins, brigade.StrategyReject:
	default:
		return nil
	}
	open, err := in.openAt(ctx, at)
	if err != nil {
		return err
	}
	if strategy == brigade.StrategyReject {
		return in.rejectBeyond(ctx, open, ids, limit)
	}
	var errs []error
	slices.SortFunc(open, func(a, b *brigade.Build) int { return strings.Compare(a.ID, b.ID) })
	for _, unwanted := range (turn{strategy: strategy, limit: limit}).unwanted(open, in.opt.Now()) {
		errs = append(errs, in.cancel(ctx, unwanted.id, unwanted.reason, unwanted.pendingOnly))
	}
	return errors.Join(errs...)
}

// openAt returns the builds of a place that have not ended.
func (in *Intake) openAt(ctx context.Context, at place) ([]*brigade.Build, error) {
	f := brigade.BuildFilter{ProjectID: at.project, States: []brigade.State{brigade.StatePending, brigade.StateRunning}, Limit: 1000}
	var open []*brigade.Build
	for {
		page, err := in.opt.Store.ListBuilds(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, b := range page {
			if b.ConcurrencyKey == at.key {
				open = append(open, b)
			}
		}
		if len(page) < f.Limit {
			return open, nil
		}
		f.Before = page[len(page)-1].ID
	}
}

// rejectBeyond ends those of the open builds with the given IDs that are beyond
// the limit. Those that run come before those that wait, and older ones before
// newer ones, so that it does not matter who is told of first.
func (in *Intake) rejectBeyond(ctx context.Context, open []*brigade.Build, ids map[string]bool, limit int) error {
	now := in.opt.Now().UTC()
	slices.SortFunc(open, func(a, b *brigade.Build) int {
		if wa, wb := waits(a, now), waits(b, now); wa != wb {
			if wb {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	var there []string // causes
	var errs []error
	for _, b := range open {
		own := causeOf(b)
		switch {
		case slices.Contains(there, own):
		case len(there) < limit:
			there = append(there, own)
		case ids[b.ID]:
			errs = append(errs, in.rejectStored(ctx, b.ID, limit, open[0].ID))
		}
	}
	return errors.Join(errs...)
}

// rejectStored ends a build that waits. such is one of those that have its room.
func (in *Intake) rejectStored(ctx context.Context, buildID string, limit int, such string) error {
	now := in.opt.Now().UTC()
	b, err := in.opt.Store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error {
		if !waits(b, now) {
			return errNothing
		}
		reject(b, limit, such, now)
		return nil
	})
	if errors.Is(err, errNothing) || brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil
	}
	if err == nil {
		in.publish(b)
	}
	return err
}
