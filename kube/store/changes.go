package store

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// takeNew takes in a build that others have made, or that an inner store in
// memory has forgotten with its process. The caller holds e.changing.
func (s *Store) takeNew(ctx context.Context, e *entry, o *corev1.Secret) error {
	found, err := objects.ReadBuild(o)
	if err != nil {
		s.drop(e)
		return err
	}
	for _, w := range found.Warnings {
		s.log.Warn("a build's Secret is unclear", "secret", o.Name, "warning", w)
		s.warn(o, "Unclear", w)
	}
	b := found.Build
	s.name(b)
	legacy := found.Accepted && !found.HasStatus
	if s.opt.Prepare != nil && !found.HasStatus {
		if p, err := s.Project(ctx, b.ProjectID); err == nil { // else the build fails for that
			s.opt.Prepare(p, b)
		}
	}
	if legacy { // until its pod says more: not to be claimed, not to be run again
		b.State, b.Lease = brigade.StateRunning, legacyLease
	}
	if b.State == brigade.StatePending && len(b.History) == 0 {
		b.History = []brigade.Step{{State: b.State, Time: b.Created}}
	}
	have, err := s.inner.Build(ctx, b.ID)
	isNew := err != nil || have.ID != b.ID
	if isNew {
		err = s.storeNew(ctx, e, b)
	} else { // a durable store knows it: the Secret is the truth
		b, err = s.takeKnown(ctx, have, found)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	e.uid, e.version, e.stored, e.legacy, e.label = o.UID, version(o), true, legacy, found.Label
	s.setKey(e, b)
	e.asked = b.Cancel != nil && b.State == brigade.StatePending
	lost := legacy && s.synced && s.opt.Scope == ScopeAll && s.pods[e.secret] == nil
	s.mu.Unlock()
	if lost {
		s.tell.add(func() { s.legacyPod(e, nil) })
	}
	if isNew && !legacy {
		s.changed(brigade.Change{BuildID: b.ID, Build: withoutLarge(b)})
	}
	s.react(b, b.Cancel != nil && !b.State.Ended())
	return nil
}

// takeKnown brings what a durable store has of a build up to what its Secret
// says. Mostly, that is the same.
func (s *Store) takeKnown(ctx context.Context, have *brigade.Build, found *objects.Build) (*brigade.Build, error) {
	now := *have
	if takeOver(&now, found); sameJSON(withoutLarge(have), withoutLarge(&now)) {
		return have, nil
	}
	return s.inner.UpdateBuild(ctx, have.ID, func(b *brigade.Build) error { takeOver(b, found); return nil })
}

// storeNew writes a build to the inner store that it does not have.
func (s *Store) storeNew(ctx context.Context, e *entry, b *brigade.Build) error {
	small, slim := s.small(b)
	stored, err := s.inner.CreateBuild(ctx, small)
	if err == nil && stored.ID != b.ID { // two Secrets with one event key: both are there
		c := *small
		c.Event.Key = ""
		_, err = s.inner.CreateBuild(ctx, &c)
	}
	s.mu.Lock()
	e.slim = slim
	s.mu.Unlock()
	return err
}

// setKey remembers the event key of a build. The caller holds s.mu.
func (s *Store) setKey(e *entry, b *brigade.Build) {
	if e.key.key != "" && s.keys[e.key] == e.id {
		delete(s.keys, e.key)
	}
	e.key = eventKey{b.ProjectID, b.Event.Key}
	if e.key.key != "" && s.keys[e.key] == "" {
		s.keys[e.key] = e.id
	}
}

// name sets the project's name, for people.
func (s *Store) name(b *brigade.Build) {
	if b.Project != "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Project = b.ProjectID; s.projects[b.ProjectID] != nil {
		b.Project = objects.ProjectName(s.projects[b.ProjectID])
	}
}

// nameAll gives builds the names of their projects that have none: v1 and
// others do not write it down. A project that is made later has one, too.
func (s *Store) nameAll(ctx context.Context, builds ...*brigade.Build) error {
	nameless := func(b *brigade.Build) bool { return b.Project == "" || b.Project == b.ProjectID }
	if !slices.ContainsFunc(builds, nameless) {
		return nil
	}
	if err := s.needProjects(ctx); err != nil && brigade.CodeOf(err) != brigade.CodeDenied {
		return err
	}
	for _, b := range builds {
		if nameless(b) {
			b.Project = ""
			s.name(b)
		}
	}
	return nil
}

// takeOver sets what a Secret says on a build of the inner store.
func takeOver(b *brigade.Build, found *objects.Build) {
	b.Cancel = found.Cancel
	if !found.HasStatus {
		return // nobody has started it, or v1 has: the inner store knows more
	}
	attempt, history := b.Attempt, b.History
	objects.StatusOf(found.Build).Apply(b)
	b.Attempt = max(attempt, b.Attempt) // a claim is not written down there
	if len(b.History) < len(history) {
		b.History = history
	}
	if b.State.Ended() {
		b.Lease = brigade.Lease{}
	}
}

// adopt takes in what others have changed in a build's Secret. The caller holds
// e.changing.
func (s *Store) adopt(ctx context.Context, e *entry, o *corev1.Secret) error {
	found, err := objects.ReadBuild(o)
	if err != nil {
		return err // its label is gone: it stays what it was
	}
	if found.ID != e.id {
		s.warn(o, "Discarded", "the label build was changed: the build stays "+e.id)
	}
	var before brigade.Build
	b, err := s.inner.UpdateBuild(ctx, e.id, func(b *brigade.Build) error {
		before = *b
		takeOver(b, found)
		return nil
	})
	if err != nil {
		return err
	}
	asked := b.Cancel != nil && !sameJSON(before.Cancel, b.Cancel)
	s.mu.Lock()
	e.version = version(o)
	e.asked = b.Cancel != nil && b.State == brigade.StatePending && (e.asked || asked)
	s.mu.Unlock()
	if asked || !sameJSON(objects.StatusOf(&before), objects.StatusOf(b)) {
		s.changed(brigade.Change{BuildID: b.ID, Build: withoutLarge(b)})
	}
	s.slimDown(ctx, e, b)
	stopped := b.State == brigade.StateCanceled && !before.State.Ended()
	s.react(b, !before.State.Ended() && (asked || stopped))
	return nil
}

// slimDown takes the payload of an ended build out of a store in memory.
func (s *Store) slimDown(ctx context.Context, e *entry, b *brigade.Build) {
	if _, slim := s.small(b); !slim || !b.State.Ended() {
		return
	}
	if _, err := s.inner.UpdateBuild(ctx, e.id, func(b *brigade.Build) error {
		b.Event.Payload, b.Event.Script, b.Event.Config = "", "", ""
		return nil
	}); err == nil {
		s.mu.Lock()
		e.slim = true
		s.mu.Unlock()
	}
}

// react calls whoever has to do something about a build that others made or
// changed. asked: somebody wants it to end now.
func (s *Store) react(b *brigade.Build, asked bool) {
	if asked {
		req := brigade.CancelRequest{Time: s.opt.Now()}
		if b.Cancel != nil {
			req = *b.Cancel
		}
		s.canceled(b.ID, req)
	}
	if !b.State.Ended() && b.Lease.Owner == "" {
		s.wake()
	}
}

// forget removes a build whose Secret others have deleted, with its jobs and
// logs. The caller holds e.changing.
func (s *Store) forget(ctx context.Context, e *entry) error {
	b, err := s.inner.Build(ctx, e.id)
	if err == nil && b.ID == e.id {
		if err := s.inner.DeleteBuild(ctx, e.id); err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
			return err
		}
		if !b.State.Ended() {
			b.Cancel = &brigade.CancelRequest{Time: s.opt.Now(), Reason: "its Secret was deleted"}
			b.State, b.Ended = brigade.StateCanceled, b.Cancel.Time
			b.Failure = brigade.Errorf(brigade.CodeCanceled, "the build was canceled: %s", b.Cancel.Reason)
			s.canceled(b.ID, *b.Cancel)
			s.changed(brigade.Change{BuildID: b.ID, Build: withoutLarge(b)})
		}
		if e.key.key != "" && s.opt.Scope == ScopeAll && !s.opt.Observer {
			go s.bury(s.live, e.key, b)
		}
	}
	s.drop(e)
	return nil
}

// settle compares a durable inner store with what is there, once, at the start.
func (s *Store) settle(ctx context.Context) error {
	filter := brigade.BuildFilter{Limit: 1000}
	for {
		page, err := s.inner.ListBuilds(ctx, filter)
		if err != nil {
			return err
		}
		for _, b := range page {
			s.mu.Lock()
			there := s.entries[b.ID] != nil
			s.mu.Unlock()
			if there {
				continue
			}
			s.log.Info("a build is forgotten whose Secret is gone", "build", b.ID)
			if err := s.inner.DeleteBuild(ctx, b.ID); err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
				return err
			}
		}
		if len(page) < filter.Limit {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	s.settleLegacy()
	return nil
}

// settleLegacy ends the builds of v1 whose worker pods are gone. The pods are
// known by then.
func (s *Store) settleLegacy() {
	s.mu.Lock()
	s.synced = true
	var legacy []*entry
	for _, e := range s.entries {
		if e.legacy && s.pods[e.secret] == nil {
			legacy = append(legacy, e)
		}
	}
	s.mu.Unlock()
	for _, e := range legacy {
		s.legacyPod(e, nil)
	}
}

// withoutLarge is a copy of b as ListBuilds gives it.
func withoutLarge(b *brigade.Build) *brigade.Build {
	c := *b
	c.History = slices.Clone(b.History)
	c.Script, c.Event.Payload, c.Event.Script, c.Event.Config = "", "", "", ""
	return &c
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
