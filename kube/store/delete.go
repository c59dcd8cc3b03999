package store

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// orphans reports whether a build has pods that do not go with its Secret: of
// v1, or of a process that did not know the Secret. Where pods are not
// watched, it may have. The caller holds s.mu.
func (s *Store) orphans(e *entry) bool {
	if s.opt.Scope != ScopeAll {
		return true
	}
	for _, name := range s.podsOf[e.id] {
		if p := s.pods[name]; p != nil && !p.owned {
			return true
		}
	}
	return false
}

// deleteObjects deletes a build's Secret, the mark of its event and, with
// orphans, what bears the build's label and belongs to nothing.
func (s *Store) deleteObjects(ctx context.Context, e *entry, uid types.UID, orphans bool) error {
	background := metav1.DeletePropagationBackground
	err := s.client.Secrets("").Delete(ctx, e.secret, metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return cluster.Error(err)
	}
	if b, err := s.inner.Build(ctx, e.id); e.key.key != "" && err == nil && b.ID == e.id {
		s.bury(ctx, e.key, b)
	}
	if !orphans {
		return nil
	}
	of := func(component string) metav1.ListOptions {
		return metav1.ListOptions{LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," +
			objects.LabelComponent + "=" + component + "," + objects.LabelBuild + "=" + e.label}
	}
	s.mu.Lock()
	spaces := s.spacesOf(e)
	s.mu.Unlock()
	for _, ns := range spaces {
		s.deleteLabeled(ctx, ns, e, of)
	}
	return nil
}

// deleteLabeled deletes what bears a build's label in a namespace.
func (s *Store) deleteLabeled(ctx context.Context, ns string, e *entry, of func(component string) metav1.ListOptions) {
	background := metav1.DeletePropagationBackground
	opt := metav1.DeleteOptions{PropagationPolicy: &background}
	for _, remove := range []func() error{
		func() error { return s.client.Pods(ns).DeleteCollection(ctx, opt, of(objects.ComponentJob)) },
		func() error { return s.client.Pods(ns).DeleteCollection(ctx, opt, of(objects.ComponentBuild)) },
		func() error { return s.client.Secrets(ns).DeleteCollection(ctx, opt, of(objects.ComponentJob)) },
		func() error {
			return s.client.PersistentVolumeClaims(ns).DeleteCollection(ctx, opt, of(objects.ComponentBuildStorage))
		},
	} {
		if err := remove(); err != nil && !apierrors.IsNotFound(err) {
			// The build is gone; what is left harms nobody and the vacuum finds it.
			s.log.Warn("something of a deleted build is left", "build", e.id, "err", cluster.Error(err))
		}
	}
}
