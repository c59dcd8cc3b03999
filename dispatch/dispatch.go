// Package dispatch takes a queued build to its end: claims it under a lease,
// gets its files, starts its script, hands its jobs to a runner, writes down
// every change and passes it on. It is the same for one machine and for a
// cluster; what differs comes in through Options.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Options are the parts a Dispatcher works with. Store, Feed, Worker, Runner
// and Source are required.
type Options struct {
	Store  brigade.Store
	Feed   brigade.Feed
	Worker brigade.Worker
	Runner brigade.Runner
	Source Source
	Deps   Dependencies // nil: scripts have no npm dependencies

	Owner   string        // who holds the leases; must be unique among processes
	Lease   time.Duration // default 30 s; renewed at a third of it
	Grace   time.Duration // between TERM and KILL for a job; default 10 s
	LogCap  int64         // bytes of a job's log and result that are kept; default brigade.DefaultLogCap
	MaxJobs int           // jobs running at once; default no limit
	// MaxBuilds bounds the builds that Serve runs at once; default no limit.
	MaxBuilds int
	// Artifacts keeps the files that jobs declare; nil: they are not kept.
	// MaxArtifact bounds each in bytes; default 1 GiB.
	Artifacts   Artifacts
	MaxArtifact int64
	Limits      brigade.ScriptLimits
	// Complete fills in what a project names and does not hold, such as a
	// default script that is kept elsewhere. It owns the project; an error
	// fails the build. nil: projects are complete.
	Complete func(ctx context.Context, p *brigade.Project) error
	// Env is what a script finds in process.env besides the build's own
	// BRIGADE_ variables.
	Env map[string]string
	// Room says why nothing can be started now, such as a full disk: builds
	// and jobs wait until it answers nil. nil: there always is room.
	Room func() error
	// Patience is how long a write is repeated that the store refuses, such as
	// for a full disk, so that what has happened is written down in the end; 0:
	// it is not repeated, and the build or job fails.
	Patience time.Duration
	// Trace gives every job its TRACEPARENT, not only those of events that
	// came with a trace.
	Trace bool
	Now   func() time.Time
	Log   *slog.Logger
}

// Source gets the files of a build.
type Source interface {
	// Fetch returns the directory with the files. notice is told of progress,
	// in words for people.
	Fetch(ctx context.Context, project *brigade.Project, build *brigade.Build, notice func(string)) (Tree, error)
}

// Tree is a build's files. Nobody writes to Dir; "" means that there are none.
type Tree struct {
	Dir     string
	Release func() error // removes what Fetch made; may be nil
}

// Dependencies installs what a script's brigade.json or package.json names.
type Dependencies interface {
	// Install returns the node_modules directory of the script, or "" when
	// nothing is needed.
	Install(ctx context.Context, req DependencyRequest) (string, error)
}

// DependencyRequest describes a script whose dependencies are needed.
type DependencyRequest struct {
	Script string       // its text
	Config string       // the text of brigade.json; may be empty
	Dir    string       // the build's files; "" for none
	Notice func(string) // is told of what people should know
}

// Dispatcher runs builds.
type Dispatcher struct {
	opt   Options
	slots *slots // nil: no limit

	mu       sync.Mutex
	runs     map[string]*run
	projects map[string]*slots         // slots for jobs of projects that have a limit
	waits    map[string]string         // what the waiting builds wait for, by ID
	starting map[string]*brigade.Build // what Serve has started, by ID
	serving  sync.WaitGroup
	wake     chan struct{}
	kill     bool
	short    error     // what Room said last
	shortAt  time.Time // when it last said something
}

// New returns a Dispatcher, or an error that names the missing part.
func New(opt Options) (*Dispatcher, error) {
	switch {
	case opt.Store == nil, opt.Feed == nil, opt.Worker == nil, opt.Runner == nil, opt.Source == nil:
		return nil, errors.New("dispatch: Store, Feed, Worker, Runner and Source are required")
	case opt.Owner == "":
		return nil, errors.New("dispatch: Owner is required")
	}
	if opt.Lease <= 0 {
		opt.Lease = 30 * time.Second
	}
	if opt.Grace <= 0 {
		opt.Grace = 10 * time.Second
	}
	if opt.LogCap <= 0 {
		opt.LogCap = brigade.DefaultLogCap
	}
	if opt.MaxArtifact <= 0 {
		opt.MaxArtifact = 1 << 30
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dispatcher{opt: opt, runs: map[string]*run{}, projects: map[string]*slots{}, starting: map[string]*brigade.Build{}, wake: make(chan struct{}, 1)}
	if opt.MaxJobs > 0 {
		d.slots = &slots{limit: opt.MaxJobs}
	}
	return d, nil
}

// RunBuild claims the pending build and takes it to its end with that project,
// whose secrets are what the script sees. It returns the build as it ended;
// the error is about running it (it could not be claimed, the store failed),
// not about its result. When ctx ends, the build is canceled: its jobs get
// the grace time, and its failure says what context.Cause says.
func (d *Dispatcher) RunBuild(ctx context.Context, id string, project *brigade.Project) (*brigade.Build, error) {
	build, err := d.opt.Store.Claim(ctx, id, d.opt.Owner, d.opt.Lease)
	if err != nil {
		return nil, fmt.Errorf("claim build %s: %w", id, err)
	}
	if build == nil {
		return nil, brigade.Errorf(brigade.CodeConflict, "build %s is not waiting to be run", id).
			WithHint("somebody else runs it, or it has ended: see brig build get %s", id)
	}
	r := newRun(d, build, project)
	d.mu.Lock()
	d.runs[build.ID] = r
	killed := d.kill
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.runs, build.ID)
		d.mu.Unlock()
	}()
	if killed {
		r.killJobs()
	}
	return r.do(ctx)
}

// Kill ends every running job at once, without grace, and every script of a
// build that was canceled before.
func (d *Dispatcher) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill = true
	for _, r := range d.runs {
		r.killJobs()
		select {
		case <-r.aborted:
			r.stopScript(context.Cause(r.jobsCtx))
		default:
		}
	}
}

// attaches reports whether jobs outlive this process and are found again.
func (d *Dispatcher) attaches() bool {
	_, ok := d.opt.Runner.(brigade.Attacher)
	return ok
}
