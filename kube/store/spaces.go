package store

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// followPods watches the pods of a namespace; "" is that of the builds.
func (s *Store) followPods(ns string) *cluster.Follower[*corev1.Pod] {
	return cluster.Follow(s.live, s.client.Pods(ns), cluster.ViewOptions[*corev1.Pod]{
		LabelSelector: objects.LabelHeritage + "=" + objects.Heritage, Transform: slimPod, Log: s.log,
	}, s.podTold)
}

// followProjects watches the pods of the namespaces in which projects run
// their jobs, and waits for those of now.
func (s *Store) followProjects(wait context.Context) error {
	s.mu.Lock()
	var names []string
	for _, o := range s.projects {
		names = append(names, string(o.Data["namespace"]))
	}
	s.mu.Unlock()
	for _, ns := range names {
		pods := s.followSpace(ns)
		if pods == nil {
			continue
		}
		if err := pods.Synced(wait); err != nil {
			if wait.Err() != nil {
				return err
			}
			s.log.Warn("the pods of a project's namespace cannot be watched", "namespace", ns, "err", err)
		}
	}
	return nil
}

// followSpace watches the pods of one more namespace; nil when they are
// watched. Not to be allowed to is no error: jobs that run there are then not
// remembered by a store in memory.
func (s *Store) followSpace(ns string) *cluster.Follower[*corev1.Pod] {
	s.mu.Lock()
	known := ns == "" || ns == s.client.Namespace || s.spaces[ns] || s.opt.Scope != ScopeAll
	s.spaces[ns] = s.spaces[ns] || !known
	s.mu.Unlock()
	if known {
		return nil
	}
	return s.followPods(ns)
}

// spacesOf are the namespaces in which a build has, or may have, pods. The
// caller holds s.mu.
func (s *Store) spacesOf(e *entry) []string {
	names := []string{s.client.Namespace}
	if o := s.projects[e.key.projectID]; o != nil {
		if ns := string(o.Data["namespace"]); ns != "" && ns != s.client.Namespace {
			names = append(names, ns)
		}
	}
	return names
}
