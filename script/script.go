// Package script is the worker: it runs a brigade.js in the embedded
// JavaScript engine, fires the event in it, and hands its jobs to a Host.
//
//	engine/     the JavaScript world: event loop, modules, TypeScript, errors
//	loop/       the event loop
//	pattern/    regular expressions for the engine, made of those scripts write
//	modules/    what a script can import besides its own files: one file each
//	brigadier/  events and jobs, as scripts import them
//	npm/        packages from a registry
//	wire/       the same worker in a process of its own
//	scripttest/ tests of scripts, written in JavaScript
//	lint/       mistakes in scripts, found before they run
package script

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/engine"
	"github.com/brigadecore/brigade/v3/script/loop"
	"github.com/brigadecore/brigade/v3/script/modules"
)

var _ brigade.Worker = (*Worker)(nil)

// Types are the TypeScript declarations of brigadier, for editors.
//
//go:embed types/brigadier.d.ts
var Types string

// TypesAliases declares brigadier's other names, for projects that map only
// "@brigadecore/brigadier" to Types.
//
//go:embed types/aliases.d.ts
var TypesAliases string

// Options configure a Worker. All fields may be left empty.
type Options struct {
	// Now is the clock; nil for the system's.
	Now func() time.Time
	// Modules are what scripts can import besides brigadier; nil for all there are.
	Modules []modules.Module
	// HTTP is what scripts make requests with; nil for a client of the modules' own.
	HTTP *http.Client
	// Stuck is called when a script does not react to its interruption because
	// the engine is inside one of its own functions. It is expected to end the
	// process; without it RunScript gives the script up and returns.
	Stuck func()
	// Clock is the time of the scripts' timers; nil for the machine's. A worker
	// with a clock of its own runs one script at a time.
	Clock loop.Clock
}

// stuckAfter is how long a script that was interrupted may go on.
const stuckAfter = 5 * time.Second

// Worker runs scripts in this process. It is safe for concurrent use.
type Worker struct {
	opts  Options
	cache *engine.Cache
}

// New makes a worker.
func New(o Options) *Worker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Modules == nil {
		o.Modules = modules.All()
	}
	return &Worker{opts: o, cache: engine.NewCache()}
}

// WithClock returns a worker that differs from w in the time of its scripts
// only: the compiled modules are shared.
func (w *Worker) WithClock(c loop.Clock) *Worker {
	other := *w
	other.opts.Clock, other.opts.Now = c, c.Now
	return &other
}

// RunScript runs the script of a build, see brigade.Worker. When it returns
// because ctx ended or a limit was hit, jobs may still be on their way down:
// the context they were given is over.
func (w *Worker) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	if run.Build == nil || run.Project == nil {
		return brigade.ScriptResult{}, brigade.Errorf(brigade.CodeInternal, "a script needs a build and a project")
	}
	if run.Limits.Wall > 0 {
		over := brigade.Errorf(brigade.CodeScriptLimit, "the script ran longer than %s", run.Limits.Wall).
			WithHint("raise the limit, or move long work into jobs")
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, run.Limits.Wall, over)
		defer cancel()
	}
	done, expired := make(chan ending, 1), make(chan struct{})
	life := &lifecycle{run: run, host: host, now: w.opts.Now, modules: w.opts.Modules}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	options := w.engineOptions(run, host)
	options.Expired = sync.OnceFunc(func() { close(expired) })
	go func() { done <- life.live(ctx, options) }()
	select {
	case end := <-done:
		return end.result, end.err
	case <-expired:
	case <-ctx.Done():
	}
	return w.await(ctx, done)
}

// await waits for a script that was told to stop, or that was interrupted
// because it computed for too long.
func (w *Worker) await(ctx context.Context, done <-chan ending) (brigade.ScriptResult, error) {
	patience := time.NewTimer(stuckAfter)
	defer patience.Stop()
	select {
	case end := <-done:
		return end.result, end.err
	case <-patience.C:
	}
	if w.opts.Stuck != nil {
		w.opts.Stuck()
	}
	if cause := context.Cause(ctx); cause != nil {
		return failed(stopped(cause))
	}
	return failed(brigade.Errorf(brigade.CodeScriptLimit, "the script did not stop when told to: a single built-in call ran too long").
		WithHint("look for a huge repeat, fill, join or regular expression"))
}

// ending is what became of a script.
type ending struct {
	result brigade.ScriptResult
	err    error
}

// failed is the answer about a script that did not end by itself.
func failed(e *brigade.Error) (brigade.ScriptResult, error) {
	return brigade.ScriptResult{ExitCode: e.Code.ExitCode(), Failure: e}, e
}

// stopped is the error of a script whose context ended because of cause.
func stopped(cause error) *brigade.Error {
	var public *brigade.Error
	if errors.As(cause, &public) {
		return public
	}
	return &brigade.Error{Code: brigade.CodeCanceled, Message: "the script was stopped", Err: cause}
}

func (w *Worker) engineOptions(run brigade.ScriptRun, host brigade.Host) engine.Options {
	env := &modules.Env{
		Vars: run.Env,
		Args: []string{"brig", run.File},
		Dir:  run.Root,
		HTTP: w.opts.HTTP,
		Now:  w.opts.Now,
		Console: func(level, text string) {
			host.Log(consoleLevel(level), strings.TrimSuffix(text, "\n"))
		},
		Stdout: func(text string) { host.Log(brigade.LevelLog, text) },
		Stderr: func(text string) { host.Log(brigade.LevelError, text) },
	}
	for _, dir := range []string{run.Root, run.Modules} {
		if dir != "" {
			env.Roots = append(env.Roots, dir)
		}
	}
	return engine.Options{
		Env:      env,
		Root:     run.Root,
		Packages: run.Modules,
		Cache:    w.cache,
		Turn:     run.Limits.Turn,
		Clock:    w.opts.Clock,
	}
}

// consoleLevel is the level of a console method in the worker's log.
func consoleLevel(method string) brigade.LogLevel {
	switch method {
	case "info":
		return brigade.LevelInfo
	case "warn":
		return brigade.LevelWarn
	case "error":
		return brigade.LevelError
	}
	return brigade.LevelLog
}

// exited says that the script ended with an exit code of its own choice.
func exited(how string, code int) *brigade.Error {
	return &brigade.Error{Code: brigade.CodeBuildFailed, Message: fmt.Sprintf("the script %s", fmt.Sprintf(how, code))}
}
