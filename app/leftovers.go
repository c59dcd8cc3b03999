package app

import (
	"context"

	brigade "github.com/brigadecore/brigade/v3"
)

// maxLeftovers is how many builds of dead programs are looked at in one run.
const maxLeftovers = 1000

// clearLeftovers removes what other programs left that ran builds with this
// installation's runner and died: containers, processes, directories. It
// returns when that is done. What goes wrong is logged: the next build tries
// again.
func (a *App) clearLeftovers(ctx context.Context) {
	sweeper, ok := a.Runner.(brigade.Sweeper)
	if !ok {
		return
	}
	dead, err := a.abandoned(ctx)
	if err != nil {
		a.opt.Log.Warn("look for builds of dead programs", "err", err)
		return
	}
	if len(dead) == 0 {
		return
	}
	n, err := sweeper.Sweep(ctx, func(id string) bool { return !dead[id] })
	a.opt.Log.Info("removed what dead builds left", "builds", len(dead), "things", n, "err", err)
	if err != nil {
		return
	}
	for id := range dead {
		_, err := a.Store.UpdateBuild(ctx, id, func(b *brigade.Build) error {
			// Interrupted, as the end of the lease says, and looked after.
			b.Lease = brigade.Lease{Expires: a.opt.Now().UTC()}
			return nil
		})
		if err != nil {
			a.opt.Log.Warn("note that a build was interrupted", "build", id, "err", err)
		}
	}
}

// abandoned returns the IDs of the builds whose program died and whose jobs
// ran on this runner.
func (a *App) abandoned(ctx context.Context) (map[string]bool, error) {
	open, err := a.Store.ListBuilds(ctx, brigade.BuildFilter{States: []brigade.State{brigade.StateRunning}, Limit: maxLeftovers})
	if err != nil {
		return nil, err
	}
	dead := map[string]bool{}
	for _, b := range open {
		if b.Runner == a.Runner.Name() && b.Lease.Owner != a.owner && ownerIsGone(b.Lease.Owner) {
			dead[b.ID] = true
		}
	}
	return dead, nil
}
