package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// maxConflicts is how often a write is repeated that others were faster with.
const maxConflicts = 8

// version is an object's resource version as a number: they grow.
func version(o metav1.Object) uint64 {
	n, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	return n
}

// projectTold takes in what the watch tells of projects.
func (s *Store) projectTold(e cluster.Event[*corev1.Secret]) {
	o := e.Object()
	s.mu.Lock()
	before := s.projects[o.Name]
	switch {
	case e.Type == cluster.Deleted:
		own := s.gone[o.UID]
		delete(s.gone, o.UID)
		if own || before == nil || before.UID != o.UID {
			s.mu.Unlock()
			return
		}
		delete(s.projects, o.Name)
	case s.gone[o.UID], before != nil && version(before) >= version(o):
		s.mu.Unlock()
		return
	default:
		s.projects[o.Name] = o
	}
	s.mu.Unlock()
	if s.opt.ProjectChanged != nil {
		s.tell.add(func() { s.opt.ProjectChanged(o.Name) })
	}
	if e.Type == cluster.Deleted {
		return
	}
	s.mu.Lock()
	synced := s.synced
	s.mu.Unlock()
	if synced { // those of the start are waited for together
		s.followSpace(string(o.Data["namespace"]))
	}
	if _, warnings, err := objects.Project(o); err != nil {
		s.log.Warn("a project's Secret is wrong", "secret", o.Name, "err", err)
		s.warn(o, "InvalidProject", err.Error())
	} else if len(warnings) > 0 {
		s.log.Debug("a project's Secret is unclear", "secret", o.Name, "warnings", warnings)
	}
}

// projectSecret finds a project's Secret by ID, or else by name.
func (s *Store) projectSecret(idOrName string) *corev1.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.projects[idOrName]; o != nil {
		return o
	}
	for _, o := range s.projects {
		if objects.ProjectName(o) == idOrName {
			return o
		}
	}
	return nil
}

// Project finds one by ID or by name.
func (s *Store) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	if err := s.needProjects(ctx); err != nil {
		return nil, err
	}
	o := s.projectSecret(idOrName)
	if o == nil {
		return nil, brigade.NotFound("project", idOrName)
	}
	p, _, err := objects.Project(o)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeOf(err), "the Secret %s of project %q is wrong: %w", o.Name, objects.ProjectName(o), err).
			WithHint("correct it with `kubectl edit secret %s`", o.Name)
	}
	return p, nil
}

// ListProjects returns all of them, by name. Those whose Secret is wrong are
// left out; Project says what is wrong with one.
func (s *Store) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	if err := s.needProjects(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	secrets := make([]*corev1.Secret, 0, len(s.projects))
	for _, o := range s.projects {
		secrets = append(secrets, o)
	}
	s.mu.Unlock()
	all := make([]*brigade.Project, 0, len(secrets))
	for _, o := range secrets {
		if p, _, err := objects.Project(o); err == nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *brigade.Project) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// PutProject creates p or replaces the one with its ID. What its Secret has
// that is not Brigade's stays.
func (s *Store) PutProject(ctx context.Context, p *brigade.Project) error {
	if p.ID == "" || p.Name == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a project needs an ID and a name")
	}
	if err := s.needProjects(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	before := s.projects[p.ID]
	var same *corev1.Secret
	for _, o := range s.projects {
		if o.Name != p.ID && objects.ProjectName(o) == p.Name {
			same = o
		}
	}
	s.mu.Unlock()
	if same != nil {
		return brigade.Errorf(brigade.CodeConflict, "there is another project named %q", p.Name).
			WithHint("its ID is %s; change or delete that one", same.Name)
	}
	secrets := s.client.Secrets("")
	for range maxConflicts {
		wanted, err := objects.ProjectSecret(p, s.client.Namespace, before)
		if err != nil {
			return err
		}
		var written *corev1.Secret
		if before == nil {
			written, err = secrets.Create(ctx, wanted, metav1.CreateOptions{})
		} else {
			written, err = secrets.Update(ctx, wanted, metav1.UpdateOptions{})
		}
		switch {
		case err == nil:
			s.keepProject(written)
			return nil
		case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err), apierrors.IsNotFound(err) && before != nil:
			if before, err = s.getSecret(ctx, p.ID); err != nil {
				return err
			}
			if before != nil && before.Type != objects.TypeProject {
				return brigade.Errorf(brigade.CodeConflict, "there is a Secret %s that is no project's", p.ID).
					WithHint("its type is %q, not %q", before.Type, objects.TypeProject)
			}
		default:
			return cluster.Error(err)
		}
	}
	return brigade.Errorf(brigade.CodeConflict, "project %q is changed by others all the time", p.Name).WithHint("try again")
}

// keepProject remembers what this process has written.
func (s *Store) keepProject(o *corev1.Secret) {
	o.ManagedFields = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.projects[o.Name]; before == nil || version(before) < version(o) {
		s.projects[o.Name] = o
	}
}

// getSecret reads a Secret; nil when it is not there.
func (s *Store) getSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	o, err := s.client.Secrets("").Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, cluster.Error(err)
}

// DeleteProject forgets it; its builds stay.
func (s *Store) DeleteProject(ctx context.Context, id string) error {
	if err := s.needProjects(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	o := s.projects[id]
	if o != nil {
		s.gone[o.UID] = true
	}
	s.mu.Unlock()
	if o == nil {
		return brigade.NotFound("project", id)
	}
	err := s.client.Secrets("").Delete(ctx, id, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &o.UID}})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		delete(s.gone, o.UID)
		return cluster.Error(err)
	}
	if now := s.projects[id]; now != nil && now.UID == o.UID {
		delete(s.projects, id)
	}
	return nil
}
