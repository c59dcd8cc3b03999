package app

import (
	"context"
	"fmt"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// patience is how long a write is repeated that the store refuses: until
// somebody has made room on the disk.
const patience = 30 * 24 * time.Hour

// open calls do for every build that has not ended, newest first.
func (s *Server) open(ctx context.Context, do func(*brigade.Build)) error {
	f := brigade.BuildFilter{States: []brigade.State{brigade.StateRunning, brigade.StatePending}, Limit: 1000}
	for {
		page, err := s.Store.ListBuilds(ctx, f)
		if err != nil {
			return fmt.Errorf("look for builds that have not ended: %w", err)
		}
		for _, b := range page {
			do(b)
		}
		if len(page) < f.Limit {
			return nil
		}
		f.Before = page[len(page)-1].ID
	}
}

// adopt frees the builds whose owner is gone, and removes what the runner left
// of builds that have ended.
func (s *Server) adopt(ctx context.Context, gone func(owner string) bool) {
	alive := map[string]bool{}
	err := s.open(ctx, func(b *brigade.Build) {
		alive[b.ID] = true
		if b.Lease.Owner != "" && gone(b.Lease.Owner) {
			s.free(ctx, b.ID)
		}
	})
	if err != nil {
		s.opt.Log.Error("take over from before", "err", err)
		return
	}
	s.notLater(ctx)
	sweeper, ok := s.Runner.(brigade.Sweeper)
	if !ok {
		return
	}
	n, err := sweeper.Sweep(ctx, func(id string) bool {
		if alive[id] {
			return true
		}
		b, err := s.Store.Build(ctx, id)
		if err != nil {
			return brigade.CodeOf(err) != brigade.CodeNotFound
		}
		return !b.State.Ended()
	})
	if err != nil {
		s.opt.Log.Warn("remove leftovers", "err", err)
	}
	if n > 0 {
		s.opt.Log.Info("removed leftovers of dead builds", "count", n)
	}
}

// free takes the lease of a process that is gone off a build.
func (s *Server) free(ctx context.Context, id string) {
	_, err := s.Store.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		b.Lease = brigade.Lease{}
		return nil
	})
	if err != nil {
		s.opt.Log.Warn("free a build of before", "build", id, "err", err)
		return
	}
	s.opt.Log.Info("a build of before goes on", "build", id)
}

// A clock that is set back must not hold up builds that wait for a time.
const (
	clockEvery   = 5 * time.Second
	clockSetBack = time.Second // by which the clock has to be off
)

// watchClock looks whether somebody sets the clock back, until stop is called.
func (s *Server) watchClock() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(clockEvery)
		defer tick.Stop()
		for last := s.opt.Now().Round(0); ; { // without the clock that nobody sets
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := s.opt.Now().Round(0)
			if now.Before(last.Add(-clockSetBack)) {
				s.opt.Log.Warn("the clock was set back", "by", last.Sub(now).Round(time.Second))
				s.notLater(ctx)
			}
			last = now
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// notLater makes builds wait no longer than until the longest delay there is
// from now: what waits for longer was told so by another clock.
func (s *Server) notLater(ctx context.Context) {
	latest := s.opt.Now().Add(brigade.MaxRetryDelay)
	err := s.open(ctx, func(b *brigade.Build) {
		if b.State != brigade.StatePending || !b.NotBefore.After(latest) {
			return
		}
		_, err := s.Store.UpdateBuild(ctx, b.ID, func(b *brigade.Build) error {
			if b.State == brigade.StatePending && b.NotBefore.After(latest) {
				b.NotBefore = s.opt.Now()
			}
			return nil
		})
		if err != nil {
			s.opt.Log.Warn("let a build start", "build", b.ID, "err", err)
		}
	})
	if err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("after the clock was set back", "err", err)
	}
}
