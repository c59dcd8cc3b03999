package retention

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
	"golang.org/x/sync/errgroup"
)

// orphanPages is how many pages of builds a sweep looks at for those whose
// project is gone.
const orphanPages = 20

var (
	fine   = []brigade.State{brigade.StateSucceeded, brigade.StateCanceled}
	failed = []brigade.State{brigade.StateFailed}
	ended  = slices.Concat(fine, failed)
	open   = []brigade.State{brigade.StatePending, brigade.StateRunning}
)

// sweep is one sweep under way.
type sweep struct {
	*Sweeper
	now    time.Time
	steady bool            // ages can be believed
	seen   map[string]bool // projects, by ID
	needed map[string]bool // builds, by ID: others take their results over

	mu     sync.Mutex
	report Report
	first  error // of a build that could not be deleted
}

// left is how many builds may still be looked at or deleted.
func (w *sweep) left() int { return w.opt.Most - w.report.Builds - w.report.Failed }

// findNeeded looks for the builds whose jobs open builds count as done.
func (w *sweep) findNeeded(ctx context.Context) error {
	w.needed = map[string]bool{}
	return w.pages(ctx, brigade.BuildFilter{States: open}, func(builds []*brigade.Build) (bool, error) {
		for _, b := range builds {
			if b.Inherit && b.RerunOf != "" {
				w.needed[b.RerunOf] = true
			}
		}
		return true, nil
	})
}

// pages calls each for the builds of a filter, newest first, until it wants no
// more or there are no more. each may change the slice.
func (w *sweep) pages(ctx context.Context, f brigade.BuildFilter, each func([]*brigade.Build) (more bool, err error)) error {
	f.Limit = page
	for {
		builds, err := w.opt.Store.ListBuilds(ctx, f)
		if err != nil {
			return err
		}
		if len(builds) == 0 {
			return nil
		}
		f.Before = builds[len(builds)-1].ID
		if more, err := each(builds); !more || err != nil {
			return err
		}
	}
}

// project deletes what is due of one project.
func (w *sweep) project(ctx context.Context, projectID string, r brigade.Retention) error {
	if w.steady && r.Age > 0 {
		if err := w.old(ctx, projectID, fine, time.Duration(r.Age)); err != nil {
			return err
		}
	}
	if w.steady && r.FailedAge > 0 {
		if err := w.old(ctx, projectID, failed, time.Duration(r.FailedAge)); err != nil {
			return err
		}
	}
	if r.Count > 0 {
		return w.excess(ctx, projectID, r.Count)
	}
	return nil
}

// old deletes builds that ended longer ago than age. Their IDs tell when they
// began, so that newer ones need not be looked at.
func (w *sweep) old(ctx context.Context, projectID string, states []brigade.State, age time.Duration) error {
	before := w.now.Add(-age)
	lowest := id.Lowest(before)
	if lowest == "" {
		return nil
	}
	due := func(b *brigade.Build) bool {
		return slices.Contains(states, b.State) && b.Created.Before(before) && b.Ended.Before(before)
	}
	return w.delete(ctx, brigade.BuildFilter{ProjectID: projectID, States: states, Before: lowest}, due, &w.report.Old)
}

// settled is what excess found when it had nothing left to do.
type settled struct {
	newest string // build
	count  int
}

// excess deletes all but the newest count builds. It does not look again while
// the project has no new build.
func (w *sweep) excess(ctx context.Context, projectID string, count int) error {
	top, err := w.opt.Store.ListBuilds(ctx, brigade.BuildFilter{ProjectID: projectID, Limit: 1})
	if err != nil || len(top) == 0 {
		return err
	}
	now := settled{top[0].ID, count}
	if w.settled[projectID] == now {
		return nil
	}
	delete(w.settled, projectID)
	before := w.report
	if err := w.trim(ctx, projectID, count); err != nil {
		return err
	}
	if w.report.Kept == before.Kept && w.report.Failed == before.Failed && w.left() > 0 {
		w.settled[projectID] = now
	}
	return nil
}

func (w *sweep) trim(ctx context.Context, projectID string, count int) error {
	last := ""
	newest := brigade.BuildFilter{ProjectID: projectID}
	for left := count; left > 0; left -= newest.Limit {
		newest.Limit = min(left, 1000)
		builds, err := w.opt.Store.ListBuilds(ctx, newest)
		if err != nil {
			return err
		}
		if len(builds) < newest.Limit {
			return nil // there are not even so many
		}
		last = builds[len(builds)-1].ID
		newest.Before = last
	}
	due := func(b *brigade.Build) bool { return b.State.Ended() }
	return w.delete(ctx, brigade.BuildFilter{ProjectID: projectID, States: ended, Before: last}, due, &w.report.Excess)
}

// delete deletes builds of a filter for which due holds, and counts them.
func (w *sweep) delete(ctx context.Context, f brigade.BuildFilter, due func(*brigade.Build) bool, count *int) error {
	return w.pages(ctx, f, func(builds []*brigade.Build) (bool, error) {
		last := len(builds) < page
		builds = slices.DeleteFunc(builds, func(b *brigade.Build) bool {
			keep := b.Pinned || w.needed[b.ID] || !due(b)
			if keep {
				w.report.Kept++
			}
			return keep
		})
		if most := w.left(); len(builds) > most {
			builds, w.report.More = builds[:most], true
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(workers)
		for _, b := range builds {
			group.Go(func() error { return w.deleteOne(groupCtx, b.ID, due, count) })
		}
		err := group.Wait()
		if w.left() > 0 {
			return true, err
		}
		w.report.More = w.report.More || !last
		return false, err
	})
}

// deleteOne deletes a build unless it has changed since it was listed. Its
// artifacts go first: when the program ends in between, the build is still
// there to be found the next time. Only the context's error is returned; of the
// others the first is kept.
func (w *sweep) deleteOne(ctx context.Context, buildID string, due func(*brigade.Build) bool, count *int) error {
	b, err := w.opt.Store.Build(ctx, buildID)
	if err == nil && (b.Pinned || !due(b)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.report.Kept++
		return nil
	}
	if err == nil && w.opt.Artifacts != nil {
		err = w.opt.Artifacts.DeleteArtifacts(ctx, buildID)
	}
	if err == nil {
		err = w.opt.Store.DeleteBuild(ctx, buildID)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil // somebody else was faster
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.report.Failed++
		if w.first == nil {
			w.first = fmt.Errorf("delete build %s: %w", buildID, err)
		}
		return nil
	}
	w.report.Builds++
	*count++
	return nil
}

// orphans deletes builds of projects that were deleted, as the installation has
// it. Each sweep looks at some builds more, from the newest to the oldest and
// then again.
func (w *sweep) orphans(ctx context.Context) error {
	global := effective(w.opt.Global, nil)
	if global == (brigade.Retention{}) || w.left() <= 0 {
		return nil
	}
	left := orphanPages
	from := w.cursor
	w.cursor = ""
	var gone []string
	err := w.pages(ctx, brigade.BuildFilter{Before: from, States: ended}, func(builds []*brigade.Build) (bool, error) {
		for _, b := range builds {
			if !w.seen[b.ProjectID] && b.ProjectID != "" {
				w.seen[b.ProjectID] = true
				gone = append(gone, b.ProjectID)
			}
		}
		if left--; left == 0 {
			w.cursor = builds[len(builds)-1].ID
		}
		return left > 0, nil
	})
	if err != nil {
		return err
	}
	for _, projectID := range gone {
		if err := w.project(ctx, projectID, global); err != nil {
			return err
		}
	}
	return nil
}

// records deletes old records.
func (w *sweep) records(ctx context.Context) error {
	if !w.steady {
		return nil
	}
	for _, kind := range slices.Sorted(maps.Keys(w.opt.Records)) {
		age := w.opt.Records[kind]
		if age <= 0 {
			continue
		}
		n, err := w.opt.Store.DeleteRecords(ctx, kind, id.Lowest(w.now.Add(-age)), false)
		if n > 0 {
			if w.report.Records == nil {
				w.report.Records = map[string]int{}
			}
			w.report.Records[kind] = n
		}
		if err != nil {
			return fmt.Errorf("delete old records of kind %s: %w", kind, err)
		}
	}
	return nil
}
