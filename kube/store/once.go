package store

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// The methods of this file ask for what is not watched, once, and do nothing
// where all is watched.

// pageSize is how many objects one request asks for.
const pageSize = 500

// needProjects makes sure that all projects are known.
func (s *Store) needProjects(ctx context.Context) error {
	if err := s.open(ctx); err != nil || s.opt.Scope != ScopeOnce {
		return err
	}
	s.once.Lock()
	defer s.once.Unlock()
	if s.once.projects {
		return nil
	}
	err := s.listSecrets(ctx, objects.TypeProject, func(o *corev1.Secret) {
		s.projectTold(cluster.Event[*corev1.Secret]{Type: cluster.Added, New: o})
	})
	s.once.projects = err == nil
	return err
}

// needBuilds makes sure that the build with that ID is known, or with "" or
// only a part of an ID, all are.
func (s *Store) needBuilds(ctx context.Context, id string) error {
	if err := s.open(ctx); err != nil || s.opt.Scope == ScopeAll {
		return err
	}
	s.once.Lock()
	defer s.once.Unlock()
	s.mu.Lock()
	known := s.entries[id] != nil
	s.mu.Unlock()
	if s.once.builds || known {
		return nil
	}
	if objects.ValidBuildID(id) {
		o, err := s.getSecret(ctx, objects.WorkerName(id))
		if err != nil {
			return err
		}
		if o != nil && o.Type == objects.TypeBuild {
			s.again(o)
			return s.legacyOnce(ctx, objects.LabelBuild+"="+o.Labels[objects.LabelBuild])
		}
	}
	if s.opt.Scope != ScopeOnce {
		return nil
	}
	err := s.listSecrets(ctx, objects.TypeBuild, s.again)
	s.once.builds = err == nil
	if err != nil {
		return err
	}
	return s.legacyOnce(ctx, objects.LabelComponent+"="+objects.ComponentBuild)
}

// legacyOnce asks for the worker pods with those labels when there are builds
// that v1 has started and that were not known: only the pods know how those go.
func (s *Store) legacyOnce(ctx context.Context, labels string) error {
	if s.opt.Scope != ScopeOnce {
		return nil
	}
	s.mu.Lock()
	some := false
	for _, e := range s.entries {
		some = some || e.legacy && !e.settled
		e.settled = true
	}
	s.mu.Unlock()
	if !some {
		return nil
	}
	if err := s.listPods(ctx, "", labels); err != nil {
		return err
	}
	s.settleLegacy()
	return nil
}

// listPods takes in the pods with those labels.
func (s *Store) listPods(ctx context.Context, ns, labels string) error {
	opt := metav1.ListOptions{LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," + labels, Limit: pageSize}
	for {
		list, err := s.client.Pods(ns).List(ctx, opt)
		if err != nil {
			return cluster.Error(err)
		}
		for i := range list.Items {
			s.podTold(cluster.Event[*corev1.Pod]{Type: cluster.Added, New: slimPod(&list.Items[i])})
		}
		if opt.Continue = list.Continue; opt.Continue == "" {
			return nil
		}
	}
}

func (s *Store) listSecrets(ctx context.Context, kind corev1.SecretType, take func(*corev1.Secret)) error {
	opt := metav1.ListOptions{FieldSelector: "type=" + string(kind), Limit: pageSize}
	for {
		list, err := s.client.Secrets("").List(ctx, opt)
		if err != nil {
			return cluster.Error(err)
		}
		for i := range list.Items {
			o := list.Items[i]
			o.ManagedFields = nil
			take(&o)
		}
		if opt.Continue = list.Continue; opt.Continue == "" {
			return nil
		}
	}
}

// needJobs makes sure that the pods of a build are known.
func (s *Store) needJobs(ctx context.Context, buildID string) error {
	if s.opt.Scope != ScopeOnce {
		return s.open(ctx)
	}
	if err := s.needBuilds(ctx, buildID); err != nil {
		return err
	}
	if err := s.needProjects(ctx); err != nil { // where their jobs run
		return err
	}
	s.once.Lock()
	defer s.once.Unlock()
	s.mu.Lock()
	e := s.entries[buildID]
	var spaces []string
	if e != nil {
		spaces = s.spacesOf(e)
	}
	s.mu.Unlock()
	if e == nil || s.once.pods[buildID] {
		return nil
	}
	for _, ns := range spaces {
		if err := s.listPods(ctx, ns, objects.LabelBuild+"="+e.label); err != nil {
			return err
		}
	}
	s.once.pods[buildID] = true
	return nil
}

// needJob makes sure that the pods of a job's build are known.
func (s *Store) needJob(ctx context.Context, id string) error {
	if s.opt.Scope != ScopeOnce {
		return s.open(ctx)
	}
	// The build's ID is the end of the job's, behind one of its dashes.
	for at := strings.IndexByte(id, '-'); at >= 0; {
		if build := id[at+1:]; objects.ValidBuildID(build) {
			if err := s.needBuilds(ctx, build); err != nil {
				return err
			}
			s.mu.Lock()
			there := s.entries[build] != nil
			s.mu.Unlock()
			if there {
				return s.needJobs(ctx, build)
			}
		}
		next := strings.IndexByte(id[at+1:], '-')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return s.open(ctx) // the inner store says that there is no such job
}
