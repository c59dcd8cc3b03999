package store

import (
	"context"
	"slices"
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
	if there, err := s.needBuild(ctx, id); there || err != nil || s.opt.Scope != ScopeOnce {
		return err
	}
	s.once.Lock()
	defer s.once.Unlock()
	if s.once.builds {
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

// needBuild makes sure that the build with that whole ID is known, if its Secret
// has the name that this program gives them, and reports whether it is.
func (s *Store) needBuild(ctx context.Context, id string) (bool, error) {
	s.once.Lock()
	defer s.once.Unlock()
	if _, _, known := s.SecretOf(id); known || s.once.builds || !objects.ValidBuildID(id) {
		return known, nil
	}
	o, err := s.getSecret(ctx, objects.WorkerName(id))
	if o == nil || err != nil || o.Type != objects.TypeBuild {
		return false, err
	}
	s.again(o)
	return true, s.legacyOnce(ctx, objects.LabelBuild+"="+o.Labels[objects.LabelBuild])
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
	for _, need := range []func(string) error{
		func(build string) error { _, err := s.needBuild(ctx, build); return err },
		func(string) error { return s.needBuilds(ctx, "") }, // its Secret has another name
	} {
		for _, build := range buildsOfJob(id) {
			if err := need(build); err != nil {
				return err
			}
			if _, _, there := s.SecretOf(build); there {
				return s.needJobs(ctx, build)
			}
		}
	}
	return nil // the inner store says that there is no such job
}

// buildsOfJob are the IDs that the build of a job may have: a job's is
// <name>-<build>, or <name>-<build>-<n> of another job of its name.
func buildsOfJob(id string) []string {
	var all []string
	for at := range len(id) {
		if id[at] != '-' {
			continue
		}
		rest := id[at+1:]
		all = append(all, rest)
		if dash := strings.LastIndexByte(rest, '-'); dash > 0 && strings.Trim(rest[dash+1:], "0123456789") == "" {
			all = append(all, rest[:dash])
		}
	}
	return slices.DeleteFunc(all, func(build string) bool { return !objects.ValidBuildID(build) })
}
