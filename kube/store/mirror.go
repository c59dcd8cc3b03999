package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// mirror writes to the Secret what others have to know of a change, in one
// request, or in none when there is nothing. after gets what others have
// changed meanwhile. The caller holds e.changing.
func (s *Store) mirror(ctx context.Context, e *entry, before, after *brigade.Build) error {
	if !worthTelling(before, after) {
		return nil
	}
	if err := s.moveKey(ctx, e, before, after); err != nil {
		return err
	}
	s.mu.Lock()
	at, name := e.version, e.secret
	s.mu.Unlock()
	for range maxConflicts {
		patch, err := s.patch(e, at, before, after)
		if err != nil {
			return err
		}
		written, err := s.client.Secrets("").Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		switch {
		case err == nil:
			s.mu.Lock()
			e.version, e.legacy = version(written), false
			s.setKey(e, after)
			s.mu.Unlock()
			s.warnMissing(written, before, after)
			return nil
		case apierrors.IsNotFound(err):
			return brigade.NotFound("build", e.id)
		case !apierrors.IsConflict(err):
			return cluster.Error(err)
		}
		fresh, err := s.getSecret(ctx, name)
		if err != nil {
			return err
		}
		if fresh == nil || fresh.UID != e.uid {
			return brigade.NotFound("build", e.id)
		}
		if at, err = version(fresh), s.reconcile(e, fresh, before, after); err != nil {
			return err
		}
	}
	return brigade.Errorf(brigade.CodeConflict, "build %s is changed by others all the time", e.id).WithHint("try again")
}

// worthTelling reports whether anything changed that is in the Secret. A
// history that goes on or a waiting that changes is not told for its own sake.
func worthTelling(before, after *brigade.Build) bool {
	a, b := *before, *after
	x, y := &a.Event, &b.Event
	if x.Payload != y.Payload || x.Script != y.Script || x.Config != y.Config {
		return true
	}
	for _, x := range []*brigade.Build{&a, &b} {
		x.History, x.Waiting, x.Lease, x.Script = nil, "", brigade.Lease{}, ""
		x.Event.Payload, x.Event.Script, x.Event.Config = "", "", ""
	}
	return !sameJSON(a, b)
}

// patch is the merge patch that makes the Secret say what after says, for a
// Secret of that version.
func (s *Store) patch(e *entry, at uint64, before, after *brigade.Build) ([]byte, error) {
	meta := metav1.ObjectMeta{}
	if err := objects.SetStatus(&meta, after); err != nil {
		return nil, err
	}
	annotations := map[string]any{}
	for key, value := range meta.Annotations {
		annotations[key] = value
	}
	for _, key := range []string{objects.AnnotationCancel, objects.AnnotationEvent} {
		if annotations[key] == nil {
			annotations[key] = nil // taken away, when it is there
		}
	}
	labels := maps.Clone(meta.Labels)
	if before.ProjectID != after.ProjectID {
		labels[objects.LabelProject] = after.ProjectID
	}
	patch := map[string]any{
		"metadata": map[string]any{"resourceVersion": fmt.Sprint(at), "labels": labels, "annotations": annotations},
	}
	was, now := objects.BuildData(before, e.secret), objects.BuildData(after, e.secret)
	data := map[string][]byte{}
	for key, value := range now {
		if !bytes.Equal(was[key], value) {
			data[key] = value
		}
	}
	if len(data) > 0 {
		patch["data"] = data
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("write the change of build %s: %w", e.id, err)
	}
	return text, nil
}

// reconcile puts upon after what others have changed in fresh and this process
// has not. Of a build that is run here, its own state holds.
func (s *Store) reconcile(e *entry, fresh *corev1.Secret, before, after *brigade.Build) error {
	found, err := objects.ReadBuild(fresh)
	if err != nil {
		return err
	}
	if found.Cancel != nil && before.Cancel == nil && after.Cancel == nil {
		after.Cancel = found.Cancel
		e.foreign = true
	}
	if !found.HasStatus {
		return nil
	}
	ours := after.Lease.Owner != "" || before.Lease.Owner != ""
	if !ours && found.State != before.State && after.State != before.State {
		return brigade.Errorf(brigade.CodeConflict, "build %s was changed meanwhile: it is %s now", e.id, found.State).WithHint("look at it, and try again")
	}
	merged, err := mergeFields(objects.StatusOf(before), objects.StatusOf(after), objects.StatusOf(found.Build))
	if err != nil {
		return err
	}
	if ours && found.State.Ended() && !before.State.Ended() {
		own := objects.StatusOf(after) // somebody ended it who did not know that it runs
		merged.State, merged.Failure, merged.ExitCode, merged.Ended = own.State, own.Failure, own.ExitCode, own.Ended
	}
	merged.Apply(after)
	return nil
}

// mergeFields is theirs with what was changed between before and after.
func mergeFields(before, after, theirs objects.Status) (objects.Status, error) {
	var fields [3]map[string]json.RawMessage
	for i, status := range []objects.Status{before, after, theirs} {
		text, err := json.Marshal(status)
		if err != nil {
			return theirs, err
		}
		if err := json.Unmarshal(text, &fields[i]); err != nil {
			return theirs, err
		}
	}
	was, now, merged := fields[0], fields[1], fields[2]
	for key := range was {
		if _, still := now[key]; !still {
			delete(merged, key)
		}
	}
	for key, value := range now {
		if !bytes.Equal(was[key], value) {
			merged[key] = value
		}
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return theirs, err
	}
	var result objects.Status
	return result, json.Unmarshal(text, &result)
}

// warnMissing tells of a build that failed for its project not being there
// where people look for it who made the Secret with kubectl.
func (s *Store) warnMissing(o *corev1.Secret, before, after *brigade.Build) {
	if f := after.Failure; f != nil && f.Code == brigade.CodeNotFound && after.State.Ended() && !before.State.Ended() {
		s.warn(o, "MissingProject", f.Message)
	}
}
