package intake

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// How old the known projects may be: they are read again in the background
// after the first, and before anything else after the second.
const (
	catalogFresh = 2 * time.Second
	catalogStale = 10 * time.Second
)

// catalog knows the projects, so that a request does not read them.
type catalog struct {
	store brigade.Projects
	now   func() time.Time

	current atomic.Pointer[snapshot]
	changes atomic.Int64 // counts calls of invalidate
	loading sync.Mutex   // held by who reads the projects
}

// snapshot is all projects at one moment. Nobody changes it or its projects.
type snapshot struct {
	taken       time.Time
	changes     int64 // of the catalog when reading began
	all         []*brigade.Project
	names       map[string]*brigade.Project // by ID, name and repository
	subscribers []*brigade.Project
}

func newCatalog(store brigade.Projects, now func() time.Time) *catalog {
	return &catalog{store: store, now: now}
}

func (c *catalog) invalidate() { c.changes.Add(1) }

// get returns the projects.
func (c *catalog) get(ctx context.Context) (*snapshot, error) {
	s := c.current.Load()
	age := time.Duration(0)
	if s != nil {
		age = c.now().Sub(s.taken)
	}
	if s == nil || s.changes != c.changes.Load() || age > catalogStale || age < 0 {
		c.loading.Lock()
		defer c.loading.Unlock()
		if newer := c.current.Load(); newer != s && newer.changes == c.changes.Load() {
			return newer, nil // somebody else has just done it
		}
		return c.load(ctx)
	}
	if age > catalogFresh && c.loading.TryLock() {
		go func() {
			defer c.loading.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), catalogStale)
			defer cancel()
			_, _ = c.load(ctx) // an error comes again when it matters
		}()
	}
	return s, nil
}

// load reads the projects. The caller holds c.loading.
func (c *catalog) load(ctx context.Context) (*snapshot, error) {
	s := &snapshot{taken: c.now(), changes: c.changes.Load()}
	all, err := c.store.ListProjects(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the projects: %w", err)
	}
	s.all = all
	s.index()
	c.current.Store(s)
	return s, nil
}

// index fills in by what a project is found. An ID goes before a name, a name
// before a repository, and of several with one repository the first by name
// has it. A repository's host may be left out, or a project named without it,
// as long as only one project is meant.
func (s *snapshot) index() {
	s.names = make(map[string]*brigade.Project, 3*len(s.all))
	add := func(name string, p *brigade.Project) {
		if _, taken := s.names[name]; name != "" && !taken {
			s.names[name] = p
		}
	}
	for _, p := range s.all {
		add(p.ID, p)
	}
	for _, p := range s.all {
		add(strings.ToLower(p.Name), p)
	}
	for _, p := range s.all {
		add(repository(p.Repository), p)
	}
	short := map[string]*brigade.Project{}
	for _, p := range s.all {
		name, found := withoutHost(repository(p.Repository))
		if other, seen := short[name]; seen && other != p {
			short[name] = nil
		} else if found {
			short[name] = p
		}
	}
	for name, p := range short {
		if p != nil {
			add(name, p)
		}
	}
	for _, p := range s.all {
		if len(p.Subscriptions) > 0 {
			s.subscribers = append(s.subscribers, p)
		}
	}
}

// find returns the project with that ID, name or repository, or nil.
func (s *snapshot) find(name string) *brigade.Project {
	if name == "" {
		return nil
	}
	if p := s.names[name]; p != nil {
		return p
	}
	name = repository(name)
	if p := s.names[name]; p != nil {
		return p
	}
	if short, found := withoutHost(name); found {
		if p := s.names[short]; p != nil && (repository(p.Repository) == short || p.Repository == "") {
			return p
		}
	}
	return nil
}

// repository is the name of a repository as it is compared.
func repository(name string) string {
	return strings.TrimSuffix(strings.ToLower(strings.Trim(name, "/")), ".git")
}

// withoutHost returns acme/app of github.com/acme/app.
func withoutHost(repository string) (string, bool) {
	host, rest, found := strings.Cut(repository, "/")
	if !found || !strings.Contains(host, ".") || !strings.Contains(rest, "/") {
		return "", false
	}
	return rest, true
}

// madeUp returns a project that no request can name and whose secrets nobody
// knows.
func madeUp() brigade.Project {
	return brigade.Project{
		ID: "brigade-" + rand.Text(), Name: rand.Text(), Repository: rand.Text(),
		SharedSecret: rand.Text(), GenericGatewaySecret: rand.Text(), Registry: brigade.RegistryGateway{Token: rand.Text()},
	}
}
