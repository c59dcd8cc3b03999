package process

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Options set up a Runner.
type Options struct {
	// StateDir is where everything the jobs write is kept: absolute, on a file
	// system with room. It is made when missing. Required.
	StateDir string
	// Environ is the program's own environment, of which jobs get PATH, LANG
	// and USER (on Windows also SystemRoot and its like). Without it jobs get
	// a plain default.
	Environ []string
	// Hide are paths no job may see, besides /home, /root and StateDir: where
	// the program keeps its data, for example. Isolated jobs only.
	Hide []string
	// Show are paths within hidden places that jobs may read after all, such
	// as a tool chain in the home directory. Isolated jobs only.
	Show []string
	// Cgroup is a cgroup v2 directory that was delegated to the program, holds
	// no process itself and has the cpu and memory controllers enabled for its
	// children. "" looks for one.
	Cgroup string
	// ForcePlain does without namespaces even where they are to be had.
	ForcePlain bool
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Runner runs jobs as processes of this machine. Make it with New.
type Runner struct {
	opts   Options
	forced *level // for tests

	mu     sync.Mutex
	builds map[string]*build
	closed map[string]chan struct{} // builds that are being removed

	caches sync.Mutex // held while caches with keys are made and removed
}

var (
	_ brigade.Runner    = (*Runner)(nil)
	_ brigade.Sweeper   = (*Runner)(nil)
	_ brigade.Execution = (*execution)(nil)
)

// New returns a process runner. It touches nothing yet.
func New(opts Options) *Runner {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Runner{opts: opts, builds: map[string]*build{}, closed: map[string]chan struct{}{}}
}

// Name returns "process".
func (r *Runner) Name() string { return "process" }

// Check implements brigade.Runner: the state directory has to be writable.
func (r *Runner) Check(context.Context) error {
	if !filepath.IsAbs(r.opts.StateDir) {
		return brigade.Errorf(brigade.CodeUnavailable, "the process runner's state directory %q is not an absolute path", r.opts.StateDir)
	}
	err := os.MkdirAll(r.opts.StateDir, 0o700)
	if err == nil {
		var probe string
		if probe, err = os.MkdirTemp(r.opts.StateDir, "check-*"); err == nil {
			err = os.Remove(probe)
		}
	}
	if err != nil {
		return brigade.Errorf(brigade.CodeUnavailable, "the process runner cannot write to its state directory: %w", err).
			WithHint("make %s writable, or choose another state directory", r.opts.StateDir)
	}
	r.Isolated()
	return nil
}

// Isolated reports whether jobs run in namespaces of their own, and why not
// or what is missing all the same; why is "" when nothing is. The first call
// tries it out, which takes a few milliseconds.
func (r *Runner) Isolated() (isolated bool, why string) {
	l := r.level()
	return l.isolated, l.why
}

// Isolated reports what Runner.Isolated does for a runner with default options.
func Isolated() (isolated bool, why string) { return New(Options{}).Isolated() }

func (r *Runner) level() level {
	if r.forced != nil {
		return *r.forced
	}
	if r.opts.ForcePlain {
		return level{why: "isolation is switched off"}
	}
	return probe()
}

// level is how much isolation the machine gives.
type level struct {
	isolated bool
	userNS   bool   // with a user namespace
	newProc  bool   // with a /proc of its own
	old      bool   // in the way of kernels before 5.12; for tests
	why      string // what is missing, for people
}

// safeName is what an ID has to look like before it becomes part of a path.
var safeName = lazyregexp.New(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$`)

// Start implements brigade.Runner.
func (r *Runner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if run.Job == nil || !safeName.MatchString(run.Job.BuildID) || !brigade.ValidJobName(run.Job.Spec.Name) {
		return nil, brigade.Errorf(brigade.CodeJobStart, "the job or its build has no valid name")
	}
	lvl := r.level()
	p, err := r.plan(run, lvl)
	if err != nil {
		return nil, err
	}
	b, err := r.enter(ctx, run.Job.BuildID)
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	e := &execution{runner: r, build: b, abort: abort, done: make(chan struct{}), stopped: make(chan struct{})}
	if err := r.launch(ctx, e, p, run); err != nil {
		e.discard()
		b.leave(e)
		return nil, startError(ctx, run.Job.Name, err)
	}
	if run.Notify != nil {
		run.Notify(brigade.StateRunning, p.notice())
	}
	go e.follow(run)
	return e, nil
}

// startError gives err the form Start promises.
func startError(ctx context.Context, job string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	switch brigade.CodeOf(err) {
	case brigade.CodeInternal, "":
		return brigade.Errorf(brigade.CodeJobStart, "job %q could not be started: %w", job, err)
	}
	return err
}

// launch makes the job's directories and its process.
func (r *Runner) launch(ctx context.Context, e *execution, p *plan, run brigade.JobRun) error {
	dirs, err := r.makeDirs(p, run)
	if dirs != nil {
		e.dirs = dirs
	}
	if err != nil {
		return err
	}
	if err := e.build.join(e); err != nil {
		return err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return err
	}
	e.out = out
	start := startPlain
	if p.level.isolated {
		start = startIsolated
	}
	child, err := start(ctx, r, p, dirs, w)
	_ = w.Close()
	if err != nil {
		_ = out.Close()
		return err
	}
	e.started = r.opts.Now()
	e.adopt(child)
	return nil
}

// EndBuild implements brigade.Runner.
func (r *Runner) EndBuild(ctx context.Context, buildID string) error {
	if !safeName.MatchString(buildID) || !filepath.IsAbs(r.opts.StateDir) {
		return nil // no build has such an ID
	}
	r.mu.Lock()
	b := r.builds[buildID]
	if b == nil {
		if gone := r.closed[buildID]; gone != nil { // somebody else removes it
			r.mu.Unlock()
			return await(ctx, gone)
		}
		if !exists(r.buildDir(buildID)) {
			r.mu.Unlock()
			return nil
		}
		b = &build{id: buildID, jobs: map[*execution]struct{}{}}
	}
	delete(r.builds, buildID)
	gone := make(chan struct{})
	r.closed[buildID] = gone
	r.mu.Unlock()

	result := make(chan error, 1)
	go func() {
		b.end()
		killRecorded(r.buildDir(buildID))
		err := removeAll(r.buildDir(buildID))
		r.mu.Lock()
		delete(r.closed, buildID)
		r.mu.Unlock()
		close(gone)
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
