package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// CreateBuild stores b, or returns the build of the same project whose event
// has the same key.
func (s *Store) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	if b.ID == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a build needs an ID")
	}
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	key := keyOf(b)
	if key.key != "" {
		if id, there := s.keys[key]; there {
			return cloneBuild(s.builds[id].build), nil
		}
		if d, there := s.departed[key]; there && d.id != b.ID && s.remembers(d.created) {
			return &brigade.Build{ID: d.id, ProjectID: key.projectID, Created: d.created, State: d.state, Event: brigade.Event{Key: key.key}}, nil
		}
	}
	if s.builds[b.ID] != nil {
		return nil, brigade.Errorf(brigade.CodeConflict, "there is a build %s already", b.ID)
	}
	s.builds[b.ID] = &entry{build: cloneBuild(b), text: textOf(b)}
	at, _ := slices.BinarySearch(s.ids, b.ID)
	s.ids = slices.Insert(s.ids, at, b.ID)
	s.enqueue(b.ID, !b.State.Ended())
	if key.key != "" {
		s.keys[key] = b.ID
	}
	return b, nil
}

// remembers reports whether a build of that time is known when it was deleted.
func (s *Store) remembers(created time.Time) bool {
	return s.now().Sub(created) < brigade.KeyMemory
}

// depart remembers a build that is deleted, and forgets others now and then.
func (s *Store) depart(key eventKey, b *brigade.Build) {
	delete(s.departed, key)
	if !s.remembers(b.Created) {
		return
	}
	s.departed[key] = departed{id: b.ID, created: b.Created, state: b.State}
	if len(s.departed) < max(s.sweepAt, 1000) {
		return
	}
	for key, d := range s.departed {
		if !s.remembers(d.created) {
			delete(s.departed, key)
		}
	}
	s.sweepAt = 2 * len(s.departed)
}

func keyOf(b *brigade.Build) eventKey { return eventKey{b.ProjectID, b.Event.Key} }

func textOf(b *brigade.Build) string {
	e := &b.Event
	return strings.ToLower(strings.Join([]string{b.ID, b.Project, e.Type, e.Provider,
		e.ShortTitle, e.LongTitle, e.Revision.Ref, e.Revision.Commit}, "\x1f"))
}

// Build finds one by its ID, or by a prefix of it that only one build has.
func (s *Store) Build(ctx context.Context, id string) (*brigade.Build, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if e := s.builds[id]; e != nil {
		return cloneBuild(e.build), nil
	}
	prefix := strings.ToLower(id)
	at, _ := slices.BinarySearch(s.ids, prefix)
	if id == "" || at == len(s.ids) || !strings.HasPrefix(s.ids[at], prefix) {
		return nil, brigade.NotFound("build", id).WithHint("list the builds to see their IDs")
	}
	if at+1 < len(s.ids) && strings.HasPrefix(s.ids[at+1], prefix) {
		return nil, brigade.Errorf(brigade.CodeConflict, "more than one build has an ID that starts with %q", id).
			WithHint("give more of it: %s, %s …", s.ids[at], s.ids[at+1])
	}
	return cloneBuild(s.builds[s.ids[at]].build), nil
}

// ListBuilds returns a page, newest first, without payloads and scripts.
func (s *Store) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	f.Text = strings.ToLower(f.Text)
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	end := len(s.ids)
	if f.Before != "" {
		end, _ = slices.BinarySearch(s.ids, f.Before)
	}
	page := make([]*brigade.Build, 0, min(f.Limit, end))
	for i := end - 1; i >= 0 && len(page) < f.Limit; i-- {
		if e := s.builds[s.ids[i]]; matches(e, f) {
			page = append(page, small(e.build))
		}
	}
	return page, nil
}

// small returns a copy of b without what may be large.
func small(b *brigade.Build) *brigade.Build {
	c := cloneBuild(b)
	c.Event.Payload, c.Event.Script, c.Event.Config, c.Script = "", "", "", ""
	return c
}

func matches(e *entry, f brigade.BuildFilter) bool {
	b := e.build
	return (f.ProjectID == "" || b.ProjectID == f.ProjectID) &&
		(len(f.States) == 0 || slices.Contains(f.States, b.State)) &&
		(f.Type == "" || b.Event.Type == f.Type) &&
		(f.Since.IsZero() || !b.Created.Before(f.Since)) &&
		strings.Contains(e.text, f.Text)
}

// UpdateBuild reads the build, applies change and writes it back as one step.
// change must not call the store.
func (s *Store) UpdateBuild(ctx context.Context, id string, change func(*brigade.Build) error) (*brigade.Build, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	e := s.builds[id]
	if e == nil {
		return nil, brigade.NotFound("build", id)
	}
	b := cloneBuild(e.build)
	if err := change(b); err != nil {
		return nil, err
	}
	if b.ID != id {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the ID of a build cannot change")
	}
	if before, after := keyOf(e.build), keyOf(b); before != after {
		if other, there := s.keys[after]; there && after.key != "" {
			return nil, brigade.Errorf(brigade.CodeConflict, "build %s has the event key already", other)
		}
		delete(s.keys, before)
		if after.key != "" {
			s.keys[after] = id
		}
	}
	e.build, e.text = cloneBuild(b), textOf(b)
	s.enqueue(id, !b.State.Ended())
	return b, nil
}

// DeleteBuild removes the build with its jobs and logs.
func (s *Store) DeleteBuild(ctx context.Context, id string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e := s.builds[id]
	if e == nil {
		return brigade.NotFound("build", id)
	}
	for _, job := range e.jobs {
		delete(s.jobs, job)
	}
	if key := keyOf(e.build); key.key != "" {
		delete(s.keys, key)
		s.depart(key, e.build)
	}
	delete(s.builds, id)
	s.enqueue(id, false)
	at, _ := slices.BinarySearch(s.ids, id)
	s.ids = slices.Delete(s.ids, at, at+1)
	return nil
}
