package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// enqueue puts a build among the open ones, or takes it out of them.
func (s *Store) enqueue(id string, open bool) {
	at, there := slices.BinarySearch(s.open, id)
	switch {
	case open && !there:
		s.open = slices.Insert(s.open, at, id)
	case !open && there:
		s.open = slices.Delete(s.open, at, at+1)
	}
}

// ready reports whether b can be claimed now.
func ready(b *brigade.Build, now time.Time) bool {
	early := b.State == brigade.StatePending && b.NotBefore.After(now)
	return !early && !b.State.Ended() && !b.Lease.Expires.After(now)
}

// Claim takes a build that nobody runs for owner.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (*brigade.Build, error) {
	if owner == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a claim needs an owner")
	}
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := s.now()
	candidates := s.open
	if id != "" {
		candidates = []string{id}
	}
	for _, candidate := range candidates {
		e := s.builds[candidate]
		if e == nil || !ready(e.build, now) {
			continue
		}
		e.build.Attempt++
		e.build.Lease = brigade.Lease{Owner: owner, Expires: now.Add(lease).UTC()}
		return cloneBuild(e.build), nil
	}
	return nil, nil
}

// Renew extends the lease of owner's build.
func (s *Store) Renew(ctx context.Context, id, owner string, lease time.Duration) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e := s.builds[id]
	if e == nil {
		return brigade.NotFound("build", id)
	}
	if owner == "" || e.build.Lease.Owner != owner {
		return brigade.Errorf(brigade.CodeConflict, "build %s is not run by %s any more", id, owner)
	}
	e.build.Lease.Expires = s.now().Add(lease).UTC()
	return nil
}

// Waiting returns the first builds that can be claimed now.
func (s *Store) Waiting(ctx context.Context, each, limit int) ([]*brigade.Build, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if each <= 0 || limit <= 0 {
		return nil, nil
	}
	now := s.now()
	var all []*brigade.Build
	for _, id := range s.open {
		if b := s.builds[id].build; ready(b, now) {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(a, b *brigade.Build) int { return cmp.Compare(b.Priority, a.Priority) })
	type lane struct{ project, key string }
	lanes := map[lane]int{}
	var first []*brigade.Build
	for _, b := range all {
		of := lane{b.ProjectID, b.ConcurrencyKey}
		if lanes[of]++; lanes[of] > each {
			continue
		}
		first = append(first, small(b))
		if len(first) == limit {
			break
		}
	}
	return first, nil
}
