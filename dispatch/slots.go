package dispatch

import (
	"context"
	"slices"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// slots are places for jobs, of which so many run at once. Who waits gets one
// in the order of asking.
type slots struct {
	mu      sync.Mutex
	limit   int
	used    int // more than limit when jobs were met that ran already
	waiting []chan struct{}
}

// take waits for a place.
func (s *slots) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	if s.used < s.limit {
		s.used++
		s.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	s.waiting = append(s.waiting, mine)
	s.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, mine); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return context.Cause(ctx)
	}
	s.used-- // it came at the same time
	s.serve()
	return context.Cause(ctx)
}

// force takes a place whether there is one or not.
func (s *slots) force() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used++
}

// free gives a place back.
func (s *slots) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.serve()
}

// resize changes how many places there are. Nobody loses one.
func (s *slots) resize(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	s.serve()
}

// serve gives free places to those who wait. s.mu is held.
func (s *slots) serve() {
	for s.used < s.limit && len(s.waiting) > 0 {
		s.used++
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}

// acquire waits for a free slot for a job of the project.
func (d *Dispatcher) acquire(ctx context.Context, p *brigade.Project) (release func(), err error) {
	return d.Occupy(ctx, p, false)
}

// Occupy takes a place for a job that somebody else runs, such as a worker in a
// pod, among those that the limits of the installation and of its project leave.
// For a job that runs already there is one in any case; else it waits for one.
// nil is a project that is not known. release may be called once.
func (d *Dispatcher) Occupy(ctx context.Context, p *brigade.Project, runs bool) (release func(), err error) {
	var held []*slots
	release = func() {
		for _, s := range held {
			s.free()
		}
	}
	for _, s := range []*slots{d.projectSlots(p), d.slots} {
		if s == nil {
			continue
		}
		if runs {
			s.force()
		} else if err := s.take(ctx); err != nil {
			release()
			return nil, err
		}
		held = append(held, s)
	}
	return release, nil
}

// projectSlots are the slots of a project with a limit on jobs.
func (d *Dispatcher) projectSlots(p *brigade.Project) *slots {
	if p == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.projects[p.ID]
	switch {
	case p.Limits.Jobs <= 0:
		if s != nil { // those who wait for a limit that is gone
			s.resize(int(^uint(0) >> 1))
		}
		return nil
	case s == nil:
		s = &slots{limit: p.Limits.Jobs}
		d.projects[p.ID] = s
	default:
		s.resize(p.Limits.Jobs)
	}
	return s
}
