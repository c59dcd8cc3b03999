// Package memory keeps everything in memory, for tests and for runs that leave
// nothing behind. What it keeps is gone with the process.
package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Options shape a Store. The zero value is usable.
type Options struct {
	// Now tells the time by which leases end; nil means time.Now.
	Now func() time.Time
}

// Store implements brigade.Store.
type Store struct {
	now func() time.Time

	mu       sync.RWMutex
	closed   bool
	projects map[string]*brigade.Project
	builds   map[string]*entry
	ids      []string // of builds, ascending
	open     []string // those that have not ended, ascending
	keys     map[eventKey]string
	departed map[eventKey]departed // not older than brigade.KeyMemory, when they came in
	sweepAt  int                   // how many of them there are when old ones go
	jobs     map[string]*brigade.Job
	records  map[string][]brigade.Record // by kind, each by key
}

var _ brigade.Store = (*Store)(nil)

// entry is a build with what belongs to it.
type entry struct {
	build *brigade.Build
	text  string // in lower case, for BuildFilter.Text
	jobs  []string
	logs  map[string][]brigade.LogLine // by job ID
}

type eventKey struct{ projectID, key string }

// departed is what is kept of a deleted build.
type departed struct {
	id      string
	created time.Time
	state   brigade.State
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{
		now:      o.Now,
		projects: map[string]*brigade.Project{},
		builds:   map[string]*entry{},
		keys:     map[eventKey]string{},
		departed: map[eventKey]departed{},
		jobs:     map[string]*brigade.Job{},
		records:  map[string][]brigade.Record{},
	}
}

// Close makes every later call fail. Calling it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// write locks the store for changes, unless ctx is over or the store closed.
// Without an error the caller unlocks s.mu.
func (s *Store) write(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return closedError()
	}
	return nil
}

// read is write for calls that change nothing; the caller calls s.mu.RUnlock.
func (s *Store) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return closedError()
	}
	return nil
}

func closedError() error {
	return brigade.Errorf(brigade.CodeStore, "the store is closed")
}

// Project finds one by ID or by name.
func (s *Store) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if p := s.projects[idOrName]; p != nil {
		return cloneProject(p), nil
	}
	if p := s.named(idOrName); p != nil {
		return cloneProject(p), nil
	}
	return nil, brigade.NotFound("project", idOrName)
}

func (s *Store) named(name string) *brigade.Project {
	for _, p := range s.projects {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// ListProjects returns all of them, by name.
func (s *Store) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	all := make([]*brigade.Project, 0, len(s.projects))
	for _, p := range s.projects {
		all = append(all, cloneProject(p))
	}
	slices.SortFunc(all, func(a, b *brigade.Project) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// PutProject creates p or replaces the one with its ID.
func (s *Store) PutProject(ctx context.Context, p *brigade.Project) error {
	if p.ID == "" || p.Name == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a project needs an ID and a name")
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if same := s.named(p.Name); same != nil && same.ID != p.ID {
		return brigade.Errorf(brigade.CodeConflict, "there is another project named %q", p.Name).
			WithHint("its ID is %s; change or delete that one", same.ID)
	}
	s.projects[p.ID] = cloneProject(p)
	return nil
}

// DeleteProject forgets the project; its builds stay.
func (s *Store) DeleteProject(ctx context.Context, id string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.projects[id] == nil {
		return brigade.NotFound("project", id)
	}
	delete(s.projects, id)
	return nil
}

// PutJob creates or replaces the job with j's ID.
func (s *Store) PutJob(ctx context.Context, j *brigade.Job) error {
	if j.ID == "" || j.BuildID == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a job needs an ID and a build")
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e := s.builds[j.BuildID]
	if e == nil {
		return brigade.NotFound("build", j.BuildID)
	}
	if old := s.jobs[j.ID]; old == nil {
		e.jobs = append(e.jobs, j.ID)
	} else if old.BuildID != j.BuildID {
		return brigade.Errorf(brigade.CodeConflict, "job %s belongs to another build", j.ID)
	}
	s.jobs[j.ID] = cloneJob(j)
	return nil
}

// Job finds one by ID.
func (s *Store) Job(ctx context.Context, id string) (*brigade.Job, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if j := s.jobs[id]; j != nil {
		return cloneJob(j), nil
	}
	return nil, brigade.NotFound("job", id)
}

// ListJobs returns a build's jobs by creation.
func (s *Store) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var all []*brigade.Job
	if e := s.builds[buildID]; e != nil {
		for _, id := range e.jobs {
			all = append(all, cloneJob(s.jobs[id]))
		}
	}
	slices.SortStableFunc(all, func(a, b *brigade.Job) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// AppendLog adds lines of one log; those whose Seq is there are ignored.
func (s *Store) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	if len(lines) == 0 {
		return ctx.Err()
	}
	of := lines[0]
	for i, l := range lines {
		if l.BuildID != of.BuildID || l.JobID != of.JobID {
			return brigade.Errorf(brigade.CodeInvalid, "lines of several logs cannot be added at once")
		}
		if l.Seq < 1 || i > 0 && l.Seq <= lines[i-1].Seq {
			return brigade.Errorf(brigade.CodeInvalid, "log lines must be numbered 1, 2, 3 …; line %d is number %d", i, l.Seq)
		}
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e := s.builds[of.BuildID]
	if e == nil {
		return brigade.NotFound("build", of.BuildID)
	}
	log := e.logs[of.JobID]
	if len(log) > 0 {
		last := log[len(log)-1].Seq
		for len(lines) > 0 && lines[0].Seq <= last {
			lines = lines[1:]
		}
	}
	if e.logs == nil {
		e.logs = map[string][]brigade.LogLine{}
	}
	e.logs[of.JobID] = append(log, lines...)
	return nil
}

// ReadLog returns lines of one log in order.
func (s *Store) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	e := s.builds[q.BuildID]
	if e == nil {
		return nil, nil
	}
	log := e.logs[q.JobID]
	from, _ := slices.BinarySearchFunc(log, q.After, func(l brigade.LogLine, after int64) int {
		if l.Seq <= after {
			return -1
		}
		return 1
	})
	log = log[from:]
	if q.Tail > 0 && len(log) > q.Tail {
		log = log[len(log)-q.Tail:]
	}
	if q.Limit > 0 && len(log) > q.Limit {
		log = log[:q.Limit]
	}
	return slices.Clone(log), nil
}
