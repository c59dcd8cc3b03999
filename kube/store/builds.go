package store

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// CreateBuild stores b as a Secret, or returns the build of the same project
// whose event has the same key, whichever process made it. A build that does
// not fit a Secret is CodeTooLarge.
func (s *Store) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	if b.ID == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a build needs an ID")
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if _, err := objects.BuildSecret(b, s.client.Namespace); err != nil { // before anything is written
		return nil, err
	}
	if b.Event.Key == "" {
		return b, s.create(ctx, b)
	}
	return s.createKeyed(ctx, b)
}

// create stores b, whose ID is to be free.
func (s *Store) create(ctx context.Context, b *brigade.Build) error {
	secret, err := objects.BuildSecret(b, s.client.Namespace)
	if err != nil {
		return err
	}
	e, free := s.reserve(b.ID)
	for !free { // somebody makes it just now, perhaps in vain
		if e = s.lock(b.ID); e != nil {
			stored := e.stored
			s.unlock(e)
			if stored {
				return conflict(b.ID)
			}
		}
		e, free = s.reserve(b.ID)
	}
	defer s.unlock(e)
	written, err := s.client.Secrets("").Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		s.drop(e)
		if apierrors.IsAlreadyExists(err) {
			return conflict(b.ID)
		}
		return cluster.Error(err)
	}
	s.mu.Lock()
	e.uid = written.UID
	s.setKey(e, b)
	s.mu.Unlock()
	if err := s.storeNew(ctx, e, b); err != nil {
		return err // the watch, or the next start, takes it in
	}
	s.mu.Lock()
	e.version, e.stored = version(written), true
	s.mu.Unlock()
	if s.opt.Scope == ScopeProjects {
		s.tell.add(func() { s.letGo(b.ID) })
	}
	return nil
}

// maxMade is how many of the builds that it has made a gateway remembers.
const maxMade = 256

// letGo has a gateway forget the oldest of the builds that it has made: their
// Secrets are there when somebody asks.
func (s *Store) letGo(id string) {
	s.made = append(s.made, id)
	if len(s.made) <= maxMade {
		return
	}
	oldest := s.made[0]
	s.made = s.made[1:]
	e := s.lock(oldest)
	if e == nil {
		return
	}
	defer s.unlock(e)
	s.drop(e)
	if err := s.inner.DeleteBuild(context.Background(), oldest); err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
		s.log.Warn("forget a build", "build", oldest, "err", err)
	}
}

func conflict(id string) error {
	return brigade.Errorf(brigade.CodeConflict, "there is a build %s already", id)
}

// Build finds one by its ID, or by a prefix of it that only one build has.
func (s *Store) Build(ctx context.Context, id string) (*brigade.Build, error) {
	if err := s.needBuilds(ctx, id); err != nil {
		return nil, err
	}
	b, err := s.inner.Build(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.nameAll(ctx, b); err != nil {
		return nil, err
	}
	return s.whole(ctx, b)
}

// ListBuilds returns a page, newest first, without payloads and scripts.
func (s *Store) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	if err := s.needBuilds(ctx, ""); err != nil {
		return nil, err
	}
	all, err := s.inner.ListBuilds(ctx, f)
	if err != nil {
		return nil, err
	}
	return all, s.nameAll(ctx, all...)
}

// UpdateBuild reads the build, applies change and writes it back. What others
// have to know of it is written to its Secret first. When others were faster
// there, what change did is put upon what they did, field by field; that a
// build which is not run here has got another state meanwhile is CodeConflict.
func (s *Store) UpdateBuild(ctx context.Context, id string, change func(*brigade.Build) error) (*brigade.Build, error) {
	if err := s.needBuilds(ctx, id); err != nil {
		return nil, err
	}
	e := s.lock(id)
	if e == nil || !e.stored {
		if e != nil {
			s.unlock(e)
		}
		return nil, brigade.NotFound("build", id)
	}
	defer s.unlock(e)
	before, err := s.inner.Build(ctx, id)
	if err != nil {
		return nil, err
	}
	after, err := s.inner.Build(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := change(after); err != nil {
		return nil, err
	}
	if after.ID != id {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the ID of a build cannot change")
	}
	if err := s.mirror(ctx, e, before, after); err != nil {
		return nil, err
	}
	b, err := s.inner.UpdateBuild(ctx, id, func(now *brigade.Build) error {
		lease, attempt := now.Lease, now.Attempt // claims and leases go past this
		*now = *after
		if after.Lease == before.Lease {
			now.Lease = lease
		}
		if after.Attempt == before.Attempt {
			now.Attempt = attempt
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if e.foreign && after.Cancel != nil {
		e.foreign = false
		s.canceled(id, *after.Cancel)
	}
	if e.slim {
		return s.whole(ctx, b)
	}
	s.slimDown(ctx, e, b)
	return b, nil
}

// DeleteBuild removes it with its Secret, its jobs and its logs. What belongs
// to the Secret goes with it; what v1 has made belongs to nothing, and is
// looked for.
func (s *Store) DeleteBuild(ctx context.Context, id string) error {
	if err := s.needBuilds(ctx, id); err != nil {
		return err
	}
	e := s.lock(id)
	if e == nil {
		return brigade.NotFound("build", id)
	}
	defer s.unlock(e)
	s.mu.Lock()
	uid, orphans := e.uid, s.orphans(e)
	s.gone[uid] = true
	s.mu.Unlock()
	if err := s.deleteObjects(ctx, e, uid, orphans); err != nil {
		s.mu.Lock()
		delete(s.gone, uid)
		s.mu.Unlock()
		return err
	}
	s.drop(e)
	return s.inner.DeleteBuild(ctx, id)
}
