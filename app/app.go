// Package app puts the parts together: Options → New → use → Close. It is the
// only package that knows them all.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/script/wire"
	"github.com/brigadecore/brigade/v3/source"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// Options say what a local installation is made of.
type Options struct {
	Dirs    Dirs
	Environ []string      // the environment of the program
	Runner  string        // auto, docker, process or dummy
	Memory  bool          // keep nothing: a store in memory
	DryNap  time.Duration // how long a job of the dummy runner takes when it does not say
	Source  source.Options
	Worker  WorkerOptions
	Watch   []brigade.Watcher

	Grace   time.Duration
	MaxJobs int
	LogCap  int64
	Limits  brigade.ScriptLimits
	Offline bool // npm dependencies come from the cache only
	Frozen  bool // npm dependencies must match the lockfile
	// DependencyProgress is told how far an installation is; may be nil.
	DependencyProgress func(label string, done, total int64)

	Now func() time.Time
	Log *slog.Logger
}

// WorkerOptions say how scripts run.
type WorkerOptions struct {
	Program string // runs a script when started with Args; empty: scripts run in this process
	Args    []string
	Env     []string // of that program; scripts see ScriptEnv
	// Keep is how many scripts of a project such a process may run, one after
	// another, and Starting how many may be starting at once: see wire.Child.
	Keep, Starting int
	ScriptEnv      map[string]string
}

// Dirs are where a local installation keeps things.
type Dirs struct {
	State string // the database and what runs
	Cache string // what can be had again
	Home  string // of the user, for credentials of registries
}

// App is a local installation, put together.
type App struct {
	Store      brigade.Store
	Runner     brigade.Runner
	RunnerNote string // which runner this is, and why; for people
	// Warning waits until it is known what the runner does not give, and
	// returns that, or "". nil: nothing has to be found out.
	Warning func() string

	opt        Options
	owner      string // of the leases of its builds
	feed       *feed.Feed
	dispatcher *dispatch.Dispatcher
	cleanups   []cleanup
}

type cleanup struct {
	name string
	f    func() error
}

// New puts the parts together. Close it when done.
func New(ctx context.Context, opt Options) (*App, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{opt: opt, owner: owner()}
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) wire(ctx context.Context) error {
	if err := a.openStore(ctx); err != nil {
		return err
	}
	if err := a.chooseRunner(ctx); err != nil {
		return err
	}
	a.feed = feed.New(feed.Options{Sinks: a.opt.Watch})
	a.onClose("feed", func() error { a.feed.Close(); return nil })
	if a.opt.Source.Temp == "" {
		a.opt.Source.Temp = a.sourceDir()
	}
	var err error
	a.dispatcher, err = dispatch.New(dispatch.Options{
		Store: a.Store, Feed: a.feed, Worker: a.worker(), Runner: a.Runner,
		Source: trees{source.New(a.opt.Source)}, Deps: a.dependencies(false),
		Owner: a.owner, Grace: a.opt.Grace, MaxJobs: a.opt.MaxJobs, LogCap: a.opt.LogCap,
		Limits: a.opt.Limits, Env: a.opt.Worker.ScriptEnv, Now: a.opt.Now, Log: a.opt.Log,
	})
	return err
}

func (a *App) openStore(ctx context.Context) error {
	if a.opt.Memory {
		a.Store = memory.New(memory.Options{})
	} else {
		store, err := OpenStore(ctx, a.opt.Dirs)
		if err != nil {
			return err
		}
		a.Store = store
	}
	a.onClose("store", a.Store.Close)
	return nil
}

// OpenStore opens the database of a local installation, making it when it is
// not there.
func OpenStore(ctx context.Context, dirs Dirs) (brigade.Store, error) {
	return sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dirs.State, "brigade.db"), Relaxed: true})
}

func (a *App) worker() brigade.Worker {
	w := a.opt.Worker
	if w.Program == "" {
		return script.New(script.Options{Now: a.opt.Now})
	}
	c := &wire.Child{Program: w.Program, Args: w.Args, Env: w.Env, Keep: w.Keep, Starting: w.Starting}
	a.onClose("scripts", c.Close)
	return c
}

// Submit stores a new build for the event of that project.
func (a *App) Submit(ctx context.Context, p *brigade.Project, b *brigade.Build) (*brigade.Build, error) {
	now := a.opt.Now()
	if b.ID == "" {
		b.ID = id.New(now)
	}
	b.ProjectID, b.Project = p.ID, p.Name
	b.State, b.Created = brigade.StatePending, now
	return a.Store.CreateBuild(ctx, b)
}

// Run takes a submitted build to its end; see dispatch.Dispatcher.RunBuild.
// Beside it, what dead programs left of their builds is removed.
func (a *App) Run(ctx context.Context, id string, p *brigade.Project) (*brigade.Build, error) {
	cleared := make(chan struct{})
	go func() {
		defer close(cleared)
		a.clearLeftovers(ctx)
	}()
	defer func() { <-cleared }()
	return a.dispatcher.RunBuild(ctx, id, p)
}

// Kill ends every running job without grace.
func (a *App) Kill() { a.dispatcher.Kill() }

func (a *App) onClose(name string, f func() error) {
	a.cleanups = append(a.cleanups, cleanup{name, f})
}

// Close releases everything, last made first. It may be called more than once.
func (a *App) Close() error {
	var errs []error
	for len(a.cleanups) > 0 {
		last := a.cleanups[len(a.cleanups)-1]
		a.cleanups = a.cleanups[:len(a.cleanups)-1]
		if err := last.f(); err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

// trees makes source.Fetcher a dispatch.Source.
type trees struct{ fetcher *source.Fetcher }

func (t trees) Fetch(ctx context.Context, p *brigade.Project, b *brigade.Build, notice func(string)) (dispatch.Tree, error) {
	dir, release, err := t.fetcher.Fetch(ctx, p, b, notice)
	return dispatch.Tree{Dir: dir, Release: release}, err
}
