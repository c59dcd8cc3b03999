// Package store is the root's Store in a cluster. Projects and builds are v1's
// Secrets: they are the truth about which there are and how a build ended,
// whoever writes them. Everything else (jobs, logs, the queue, records) is kept
// by an inner store: a database, or memory, which is then filled at the start
// from the Secrets and from the pods.
//
// The Secrets are watched, so reading is no request, and a build that kubectl
// or a gateway of v1 makes is there at once. docs/design/kubernetes.md says how
// the two sides are kept together.
package store

import (
	"context"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Options shape a Store. Client and Inner are required.
type Options struct {
	Client *cluster.Client
	// Inner keeps what Secrets do not. Close closes it.
	Inner brigade.Store
	// Durable says that Inner outlives the process. Then payloads are kept in
	// it, and job pods are not given the records of their jobs.
	Durable bool
	// Observer says that this process runs no builds: what Secrets and pods
	// say is all there is to know about jobs, whoever runs them.
	Observer bool
	Scope    Scope

	// What others do is told here, by one goroutine, one after another; each
	// may be nil. They may call the store.

	// Wake is called when there may be a build to claim.
	Wake func()
	// Canceled is called when somebody wants a build to end that has not.
	Canceled func(buildID string, req brigade.CancelRequest)
	// Changed is told of builds and jobs that changed other than through this
	// store. A deleted build is told of as canceled, once more.
	Changed func(brigade.Change)
	// ProjectChanged is told of projects that were made, changed or deleted
	// other than through this store.
	ProjectChanged func(projectID string)
	// Prepare sets what a gateway of this program sets on a build, such as its
	// priority, on one of project p that others have made. It is called before
	// the build is told of, must be quick, and must not call the store.
	Prepare func(p *brigade.Project, b *brigade.Build)

	Now func() time.Time // default time.Now
	Log *slog.Logger     // nil drops it
}

// Scope says how much of the cluster a store has to know.
type Scope int

// The scopes.
const (
	// ScopeAll watches projects, builds and pods: for the controller and the API.
	ScopeAll Scope = iota
	// ScopeProjects watches projects only. Builds are made, found by their
	// whole ID and changed, but ListBuilds and the queue know only those that
	// this process has made: for gateways.
	ScopeProjects
	// ScopeOnce watches nothing: what is needed is asked for once, when it is
	// needed first. For a command that ends soon.
	ScopeOnce
)

// Store implements brigade.Store.
type Store struct {
	opt    Options
	client *cluster.Client
	inner  brigade.Store
	log    *slog.Logger
	tell   *teller
	made   []string // by a gateway, the oldest first; used by tell only

	live     context.Context //nolint:containedctx // of the watches, also of those that begin later
	stop     context.CancelFunc
	watching []interface{ Err() error }

	once struct { // of ScopeOnce: what was asked for
		sync.Mutex
		projects, builds bool
		pods             map[string]bool // by build ID
	}

	mu       sync.Mutex
	closed   bool
	projects map[string]*corev1.Secret // by name, in their newest state
	gone     map[types.UID]bool        // deleted by this process, and not told of yet
	entries  map[string]*entry         // builds by ID
	names    map[string]*entry         // builds by their Secret's name
	keys     map[eventKey]string       // build IDs
	wrong    map[string]uint64         // Secrets that are no builds, by name: the version that was told of
	pods     map[string]*podEntry      // by name
	podsOf   map[string][]string       // their names, by build ID
	spaces   map[string]bool           // namespaces whose pods are watched
	synced   bool                      // what there was at the start is known
}

var _ brigade.Store = (*Store)(nil)

// New connects a store. It returns once everything is there that the scope
// asks for, or with the error why it is not: CodeDenied says which right is
// missing. ctx bounds the wait only: Close ends what it began.
func New(ctx context.Context, opt Options) (*Store, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opt: opt, client: opt.Client, inner: opt.Inner, log: opt.Log, tell: newTeller(),
		projects: map[string]*corev1.Secret{}, gone: map[types.UID]bool{},
		entries: map[string]*entry{}, names: map[string]*entry{}, keys: map[eventKey]string{}, pods: map[string]*podEntry{},
		podsOf: map[string][]string{}, wrong: map[string]uint64{}, spaces: map[string]bool{},
	}
	s.once.pods = map[string]bool{}
	s.live, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.follow(ctx); err != nil {
		s.stop()
		s.tell.close()
		return nil, err
	}
	return s, nil
}

// follow starts the watches and waits for what they tell first.
func (s *Store) follow(wait context.Context) error {
	if s.opt.Scope == ScopeOnce {
		return nil
	}
	projects := cluster.Follow(s.live, s.client.Secrets(""), cluster.ViewOptions[*corev1.Secret]{
		FieldSelector: "type=" + string(objects.TypeProject), Log: s.log,
	}, s.projectTold)
	s.watching = append(s.watching, projects)
	if err := projects.Synced(wait); err != nil {
		return err
	}
	if s.opt.Scope == ScopeProjects {
		return nil
	}
	builds := cluster.Follow(s.live, s.client.Secrets(""), cluster.ViewOptions[*corev1.Secret]{
		FieldSelector: "type=" + string(objects.TypeBuild), Log: s.log,
	}, s.buildTold)
	s.watching = append(s.watching, builds)
	if err := builds.Synced(wait); err != nil {
		return err
	}
	pods := s.followPods("")
	s.watching = append(s.watching, pods)
	if err := pods.Synced(wait); err != nil {
		return err
	}
	if err := s.followProjects(wait); err != nil {
		return err
	}
	return s.settle(wait)
}

// Healthy is why what the store knows may be old, or nil while it is connected.
func (s *Store) Healthy() error {
	for _, w := range s.watching {
		if err := w.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the watches and closes the inner store. Calling it again does
// nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.stop()
	s.tell.close()
	return s.inner.Close()
}

// open reports why a call is not to be served.
func (s *Store) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return brigade.Errorf(brigade.CodeStore, "the store is closed")
	}
	return nil
}

// Owner is the reference by which what belongs to a build is deleted with it:
// to its Secret. It is nil when the build's Secret is not known.
func (s *Store) Owner(_ context.Context, b *brigade.Build) (*metav1.OwnerReference, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[b.ID]
	if e == nil || e.uid == "" {
		return nil, nil
	}
	return &metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: e.secret, UID: e.uid}, nil
}

// SecretOf is the name of a build's Secret and the build's label as whoever
// made it wrote them: those of its pods.
func (s *Store) SecretOf(buildID string) (name, label string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[buildID]
	if e == nil {
		return "", "", false
	}
	return e.secret, e.label, true
}

// teller calls back, one after another, in a goroutine of its own, so that a
// callback may use the store.
type teller struct {
	mu    sync.Mutex
	queue []func()
	more  chan struct{}
	over  chan struct{}
}

func newTeller() *teller {
	t := &teller{more: make(chan struct{}, 1), over: make(chan struct{})}
	go t.run()
	return t
}

func (t *teller) close() { close(t.over) }

func (t *teller) add(call func()) {
	t.mu.Lock()
	t.queue = append(t.queue, call)
	t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
}

func (t *teller) run() {
	for {
		select {
		case <-t.over:
			return
		case <-t.more:
		}
		t.mu.Lock()
		calls := t.queue
		t.queue = nil
		t.mu.Unlock()
		for _, call := range calls {
			select {
			case <-t.over:
				return
			default:
				call()
			}
		}
	}
}

// warn tells in an event about o what is wrong with it. One process does, the
// controller: others that look at the same objects keep quiet.
func (s *Store) warn(o *corev1.Secret, reason, message string) {
	if s.opt.Scope == ScopeAll && !s.opt.Observer {
		s.client.Emit(s.live, o, cluster.Warning, reason, message)
	}
}

func (s *Store) wake() {
	if s.opt.Wake != nil {
		s.tell.add(s.opt.Wake)
	}
}

func (s *Store) changed(c brigade.Change) {
	if s.opt.Changed != nil {
		c.Time = s.opt.Now()
		s.tell.add(func() { s.opt.Changed(c) })
	}
}

func (s *Store) canceled(id string, req brigade.CancelRequest) {
	if s.opt.Canceled != nil {
		s.tell.add(func() { s.opt.Canceled(id, req) })
	}
}
