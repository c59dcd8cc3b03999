package store

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// entry is what is known of a build's Secret.
type entry struct {
	// changing is held by whoever changes the build, over the request to the
	// API server and the write to the inner store. What the watch tells
	// meanwhile waits in late. See Store.lock.
	changing sync.Mutex
	foreign  bool // guarded by changing: others asked for its end during a write

	// Guarded by Store.mu.
	id, secret, label string
	uid               types.UID
	version           uint64         // of the newest state that the inner store has
	stored            bool           // the inner store has it
	slim              bool           // the inner store has it without payload, script and config
	legacy            bool           // v1 has started it, and its worker pod says how it goes
	settled           bool           // of ScopeOnce: its pods were asked for
	asked             bool           // somebody asked for its end in the Secret
	key               eventKey       // of its event
	late              *corev1.Secret // told while somebody changed it
	lateGone          bool           // and that it was deleted
}

type eventKey struct{ projectID, key string }

// lock returns the build's entry, locked for a change; nil when there is none.
func (s *Store) lock(id string) *entry {
	for {
		s.mu.Lock()
		e := s.entries[id]
		s.mu.Unlock()
		if e == nil {
			return nil
		}
		e.changing.Lock()
		s.mu.Lock()
		same := s.entries[id] == e
		s.mu.Unlock()
		if same {
			return e
		}
		e.changing.Unlock() // it was deleted meanwhile
	}
}

// unlock lets the next one change the build, after what was told meanwhile.
func (s *Store) unlock(e *entry) {
	for {
		s.takeIn(e)
		e.changing.Unlock()
		s.mu.Lock()
		more := e.late != nil
		s.mu.Unlock()
		if !more || !e.changing.TryLock() {
			return
		}
	}
}

// reserve makes the entry of a new build, locked. It is false when there is
// one with that ID.
func (s *Store) reserve(id string) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		return e, false
	}
	e := &entry{id: id, secret: objects.WorkerName(id), label: id}
	e.changing.Lock()
	s.entries[id], s.names[e.secret] = e, e
	return e, true
}

// drop forgets an entry whose build does not exist.
func (s *Store) drop(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.id] == e {
		delete(s.entries, e.id)
		delete(s.names, e.secret)
		if e.key.key != "" && s.keys[e.key] == e.id {
			delete(s.keys, e.key)
		}
	}
	e.stored = false
}

// buildTold takes in what the watch tells of builds.
func (s *Store) buildTold(ev cluster.Event[*corev1.Secret]) {
	o := ev.Object()
	s.mu.Lock()
	e := s.names[o.Name]
	if s.gone[o.UID] {
		if ev.Type == cluster.Deleted {
			delete(s.gone, o.UID)
		}
		s.mu.Unlock()
		return
	}
	if e == nil && ev.Type == cluster.Deleted {
		delete(s.wrong, o.Name)
		s.mu.Unlock()
		return
	}
	if e != nil && ev.Type != cluster.Deleted && e.stored && e.uid == o.UID && e.version >= version(o) {
		s.mu.Unlock()
		return // our own write, or told once more
	}
	if e == nil {
		e = s.newcomer(o)
	}
	if e == nil {
		s.mu.Unlock()
		return
	}
	e.late, e.lateGone = o, ev.Type == cluster.Deleted
	s.mu.Unlock()
	if e.changing.TryLock() {
		s.unlock(e)
	}
}

// newcomer makes the entry of a build that others have made, or says what is
// wrong with it. The caller holds s.mu.
func (s *Store) newcomer(o *corev1.Secret) *entry {
	b, err := objects.ReadBuild(o)
	if err == nil {
		if other := s.entries[b.ID]; other != nil {
			err = brigade.Errorf(brigade.CodeConflict, "Secret %s is build %s as well: %s is passed over", other.secret, b.ID, o.Name)
		}
	}
	if err != nil {
		if s.wrong[o.Name] != version(o) { // not told yet
			s.wrong[o.Name] = version(o)
			s.log.Warn("a build's Secret is wrong", "secret", o.Name, "err", err)
			s.warn(o, "Discarded", err.Error())
		}
		return nil
	}
	e := &entry{id: b.ID, secret: o.Name, label: b.Label}
	s.entries[e.id], s.names[e.secret] = e, e
	return e
}

// takeIn brings what was told last of e into the inner store. The caller holds
// e.changing.
func (s *Store) takeIn(e *entry) {
	s.mu.Lock()
	o, gone := e.late, e.lateGone
	e.late, e.lateGone = nil, false
	current := s.entries[e.id] == e
	known, uid, have := e.version, e.uid, e.stored
	s.mu.Unlock()
	if o == nil {
		return
	}
	ctx := context.Background()
	var err error
	switch {
	case gone && have && uid == o.UID:
		err = s.forget(ctx, e)
	case gone && !have && current: // deleted before it was taken in
		s.drop(e)
	case gone, have && uid == o.UID && known >= version(o):
	case have && uid != o.UID: // deleted and made again while nobody looked
		if err = s.forget(ctx, e); err == nil {
			s.again(o)
		}
	case have:
		err = s.adopt(ctx, e, o)
	case current:
		err = s.takeNew(ctx, e, o)
	default:
		s.again(o) // the entry was dropped meanwhile
	}
	if err != nil {
		s.log.Error("a change of a build's Secret could not be taken in", "secret", o.Name, "err", err)
		s.takeLater(e, o, gone, err)
	}
}

// takeRetry is how long a change waits that the inner store has refused.
const takeRetry = time.Second

// takeLater tries again to take in a change that the inner store has refused,
// unless something newer is told meanwhile.
func (s *Store) takeLater(e *entry, o *corev1.Secret, gone bool, err error) {
	if brigade.CodeOf(err) == brigade.CodeInvalid {
		return // it will not get better
	}
	time.AfterFunc(takeRetry, func() {
		s.mu.Lock()
		retry := !s.closed && e.late == nil
		if retry {
			e.late, e.lateGone = o, gone
		}
		s.mu.Unlock()
		if retry && e.changing.TryLock() {
			s.unlock(e)
		}
	})
}

// again takes o in as something new.
func (s *Store) again(o *corev1.Secret) {
	s.buildTold(cluster.Event[*corev1.Secret]{Type: cluster.Added, New: o})
}

// small is b as the inner store gets it: a store in memory does not get what is
// large and seldom read, and slim says that it is missing.
func (s *Store) small(b *brigade.Build) (_ *brigade.Build, slim bool) {
	size, most := len(b.Event.Payload)+len(b.Event.Script)+len(b.Event.Config), maxOpen
	if b.State.Ended() {
		most = maxEnded
	}
	if s.opt.Durable || size <= most {
		return b, false
	}
	c := *b
	c.Event.Payload, c.Event.Script, c.Event.Config = "", "", ""
	return &c, true
}

// How much of an event's payload, script and config a store in memory keeps, of
// builds under way and of those that have ended.
const (
	maxOpen  = 64 << 10
	maxEnded = 512
)

// whole completes a build of the inner store from its Secret.
func (s *Store) whole(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	s.mu.Lock()
	e := s.entries[b.ID]
	slim := e != nil && e.slim
	name := ""
	if slim {
		name = e.secret
	}
	s.mu.Unlock()
	if !slim {
		return b, nil
	}
	o, err := s.getSecret(ctx, name)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, brigade.NotFound("build", b.ID)
	}
	full, err := objects.ReadBuild(o)
	if err != nil {
		return nil, err
	}
	b.Event.Payload, b.Event.Script, b.Event.Config = full.Event.Payload, full.Event.Script, full.Event.Config
	return b, nil
}
