package report

import (
	"context"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// lookUp returns the builds that may have changed unseen: those that were
// known, those written down, those that run, and those that ended since.
func (r *Reports) lookUp(ctx context.Context, since time.Time, known []string) []missedBuild {
	var found []missedBuild
	seen := map[string]bool{}
	one := func(id string, reported bool) {
		if seen[id] {
			return
		}
		seen[id] = true
		b, err := r.opt.Store.Build(ctx, id)
		switch {
		case err == nil:
			found = append(found, missedBuild{b, reported || r.did(ctx, b)})
		case brigade.CodeOf(err) == brigade.CodeNotFound:
			r.forget(id)
		case ctx.Err() == nil:
			r.opt.Log.Warn("a build cannot be looked up", "build", id, "err", err)
		}
	}
	for _, id := range r.writtenDown(ctx) {
		one(id, true)
	}
	for _, id := range known {
		one(id, false)
	}
	for _, b := range r.listed(ctx, since) {
		if !seen[b.ID] && r.reporterOf(&b.Event) != nil {
			found = append(found, missedBuild{b, r.did(ctx, b)})
		}
	}
	return found
}

// listed returns the builds that run, and those that ended since, unless that
// is zero.
func (r *Reports) listed(ctx context.Context, since time.Time) []*brigade.Build {
	var list []*brigade.Build
	filter := brigade.BuildFilter{States: []brigade.State{brigade.StateRunning}, Limit: pageSize}
	if !since.IsZero() {
		filter.States = append(filter.States, brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled)
	}
	for range maxPages {
		page, err := r.opt.Store.ListBuilds(ctx, filter)
		if err != nil {
			if ctx.Err() == nil {
				r.opt.Log.Warn("builds cannot be looked up", "err", err)
			}
			return list
		}
		for _, b := range page {
			if !b.State.Ended() || b.Ended.After(since) {
				list = append(list, b)
			}
		}
		if len(page) < pageSize {
			return list
		}
		filter.Before = page[len(page)-1].ID
	}
	return list
}

// did reports whether b is known to have done something.
func (r *Reports) did(ctx context.Context, b *brigade.Build) bool {
	if b.State == brigade.StateFailed || b.Retries > 0 {
		return true
	}
	jobs, err := r.opt.Store.ListJobs(ctx, b.ID)
	return err == nil && len(jobs) > 0
}

func (r *Reports) writtenDown(ctx context.Context) []string {
	if r.opt.Records == nil {
		return nil
	}
	var ids []string
	q := brigade.RecordQuery{Limit: pageSize}
	for range maxPages {
		page, err := r.opt.Records.ListRecords(ctx, recordKind, q)
		if err != nil {
			if ctx.Err() == nil {
				r.opt.Log.Warn("reports that are still to be made cannot be looked up", "err", err)
			}
			break
		}
		for _, record := range page {
			ids = append(ids, record.Key)
		}
		if len(page) < pageSize {
			break
		}
		q.Before = page[len(page)-1].Key
	}
	return ids
}
