package store

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// The keys of an event's mark.
const (
	markBuild = "build"
	markTime  = "time"
	markGone  = "gone" // the state of the build when it was deleted
)

// createKeyed stores b unless the event was stored before, by any process. A
// ConfigMap named by the event's key decides who is first; whoever comes second
// and does not find the first one's build stores it in its place, so that a
// process that died in between loses nothing.
func (s *Store) createKeyed(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	key := eventKey{b.ProjectID, b.Event.Key}
	if id := s.buildOf(key); id != "" {
		if there, err := s.Build(ctx, id); brigade.CodeOf(err) != brigade.CodeNotFound {
			return there, err
		}
	}
	id, own, gone, err := s.mark(ctx, b)
	if err != nil {
		return nil, err
	}
	if gone != nil && gone.ID != b.ID {
		return gone, nil
	}
	mine := *b
	mine.ID = id
	err = s.create(ctx, &mine)
	if brigade.CodeOf(err) != brigade.CodeConflict {
		if err != nil {
			if own != nil && lastingRefusal(err) {
				s.unmark(ctx, key, own)
			}
			return nil, err
		}
		if id != b.ID {
			s.wake() // whoever is to start it does not know that it is new
			return s.Build(ctx, id)
		}
		return b, nil
	}
	// There is a build with that ID: of this event, or of another one.
	there, findErr := s.find(ctx, id)
	if brigade.CodeOf(findErr) == brigade.CodeDenied { // a gateway need not be able to read builds
		return &mine, nil
	}
	if findErr != nil {
		return nil, findErr
	}
	if there != nil && there.ProjectID == b.ProjectID && there.Event.Key == b.Event.Key {
		return there, nil
	}
	if own != nil {
		s.unmark(ctx, key, own)
	}
	return nil, err
}

// lastingRefusal reports whether the build was certainly not stored.
func lastingRefusal(err error) bool {
	switch brigade.CodeOf(err) {
	case brigade.CodeTooLarge, brigade.CodeInvalid, brigade.CodeDenied, brigade.CodeLimited:
		return true
	}
	return false
}

// buildOf is the ID of the build with that event key, if this process knows it.
func (s *Store) buildOf(key eventKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key]
}

// mark claims the event for b and returns the ID of the build that it belongs
// to, and the mark when this call made it, or what is known of the build when it
// was deleted.
func (s *Store) mark(ctx context.Context, b *brigade.Build) (id string, own *corev1.ConfigMap, gone *brigade.Build, err error) {
	name := objects.EventKeyName(b.ProjectID, b.Event.Key)
	marks := s.client.ConfigMaps("")
	for range maxConflicts {
		made, err := marks.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: objects.EventKeyLabels(b.ProjectID)},
			Data:       map[string]string{markBuild: b.ID, markTime: s.opt.Now().UTC().Format(time.RFC3339Nano)},
		}, metav1.CreateOptions{})
		if err == nil {
			return b.ID, made, nil, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return "", nil, nil, cluster.Error(err)
		}
		there, err := marks.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue // it was deleted just now
		}
		if err != nil {
			return "", nil, nil, cluster.Error(err)
		}
		if id := there.Data[markBuild]; objects.ValidBuildID(id) {
			return id, nil, s.departed(b, there), nil
		}
		return "", nil, nil, brigade.Errorf(brigade.CodeInvalid, "the ConfigMap %s does not say which build it marks", name).
			WithHint("delete it: it is made anew")
	}
	return "", nil, nil, brigade.Errorf(brigade.CodeUnavailable, "the event's mark is made and deleted by others all the time").WithHint("try again")
}

// departed is what a mark says of a build that was deleted and had b's event
// key; nil when it was not, or too long ago.
func (s *Store) departed(b *brigade.Build, mark *corev1.ConfigMap) *brigade.Build {
	created, err := time.Parse(time.RFC3339Nano, mark.Data[markTime])
	if err != nil || mark.Data[markGone] == "" || s.opt.Now().Sub(created) >= brigade.KeyMemory {
		return nil
	}
	return &brigade.Build{
		ID: mark.Data[markBuild], ProjectID: b.ProjectID, Event: brigade.Event{Key: b.Event.Key}, Created: created, State: brigade.State(mark.Data[markGone]),
	}
}

// bury says in the mark of a build's event that the build was deleted, so that
// the event starts nothing when it comes again. The mark of an old build goes.
// It is best effort: what is left of it makes the next build of the event have
// this one's ID.
func (s *Store) bury(ctx context.Context, key eventKey, b *brigade.Build) {
	if s.opt.Now().Sub(b.Created) >= brigade.KeyMemory {
		s.unmark(ctx, key, nil)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	marks, name := s.client.ConfigMaps(""), objects.EventKeyName(key.projectID, key.key)
	for range maxConflicts {
		there, err := marks.Get(ctx, name, metav1.GetOptions{})
		if err == nil && there.Data[markBuild] != b.ID {
			return // of another build
		}
		if err == nil {
			there = there.DeepCopy()
			there.Data[markGone] = string(b.State)
			_, err = marks.Update(ctx, there, metav1.UpdateOptions{})
		}
		switch {
		case err == nil, apierrors.IsNotFound(err), apierrors.IsForbidden(err): // the controller does it, which sees that the build is gone
			return
		case !apierrors.IsConflict(err):
			s.log.Warn("an event's mark could not be changed", "configmap", name, "err", err)
			return
		}
	}
}

// unmark takes a mark back, best effort: what is left of it only makes the next
// build of the event have this one's ID.
func (s *Store) unmark(ctx context.Context, key eventKey, own *corev1.ConfigMap) {
	name := objects.EventKeyName(key.projectID, key.key)
	opt := metav1.DeleteOptions{}
	if own != nil {
		opt.Preconditions = &metav1.Preconditions{UID: &own.UID}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.client.ConfigMaps("").Delete(ctx, name, opt); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !apierrors.IsForbidden(err) { // gateways may not
		s.log.Warn("an event's mark could not be deleted", "configmap", name, "err", err)
	}
}

// moveKey gives a build whose event key was changed the mark of the new one.
func (s *Store) moveKey(ctx context.Context, e *entry, before, after *brigade.Build) error {
	was, now := eventKey{before.ProjectID, before.Event.Key}, eventKey{after.ProjectID, after.Event.Key}
	if was == now {
		return nil
	}
	if now.key != "" {
		id, _, _, err := s.mark(ctx, after)
		if err != nil {
			return err
		}
		if id != e.id {
			return brigade.Errorf(brigade.CodeConflict, "build %s has the event key already", id)
		}
	}
	if was.key != "" {
		s.unmark(ctx, was, nil)
	}
	return nil
}

// find reads a build that this process may not know yet; nil when there is none.
func (s *Store) find(ctx context.Context, id string) (*brigade.Build, error) {
	o, err := s.getSecret(ctx, objects.WorkerName(id))
	if err != nil || o == nil || o.Type != objects.TypeBuild {
		return nil, err
	}
	if s.opt.Scope != ScopeProjects {
		s.again(o)
	}
	found, err := objects.ReadBuild(o)
	if err != nil {
		return nil, err
	}
	s.name(found.Build)
	return found.Build, nil
}
