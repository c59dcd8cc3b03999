package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

// run is one build under way. It is the Host of its script.
type run struct {
	d       *Dispatcher
	id      string         // of the build
	build0  *brigade.Build // as it was claimed; never changes
	project *brigade.Project
	mask    *mask.Masker
	worker  *logSink

	jobsCtx  context.Context // ends when the build is canceled or its worker is gone
	stopJobs context.CancelCauseFunc
	jobs     sync.WaitGroup

	mu       sync.Mutex
	build    *brigade.Build // as last written
	tree     Tree
	logs     map[string]*jobLog
	live     map[string]brigade.Execution
	names    map[string]int          // how often a job of that name was run
	recorded map[string]*brigade.Job // what an earlier attempt left, by job ID
	killed   bool
}

func newRun(d *Dispatcher, build *brigade.Build, project *brigade.Project) *run {
	r := &run{
		d: d, id: build.ID, build0: build, build: build, project: project,
		mask:     mask.New(project.SecretValues()),
		logs:     map[string]*jobLog{},
		live:     map[string]brigade.Execution{},
		names:    map[string]int{},
		recorded: map[string]*brigade.Job{},
	}
	r.jobsCtx, r.stopJobs = context.WithCancelCause(context.Background())
	return r
}

// do takes the build to its end.
func (r *run) do(ctx context.Context) (*brigade.Build, error) {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	stopRenewing := r.renew(ctx, lost)
	defer stopRenewing()

	keep := context.WithoutCancel(ctx)
	if err := r.begin(keep); err != nil {
		return nil, err
	}
	result, err := r.script(ctx)
	r.settle(ctx, err)
	if err := r.d.opt.Runner.EndBuild(keep, r.id); err != nil {
		r.d.opt.Log.Warn("clean up after the build", "build", r.id, "err", err)
	}
	if r.tree.Release != nil {
		if err := r.tree.Release(); err != nil {
			r.d.opt.Log.Warn("remove the build's files", "build", r.id, "err", err)
		}
	}
	return r.finish(ctx, result, err)
}

// begin writes down that the build runs, and reads what an earlier attempt left.
func (r *run) begin(ctx context.Context) error {
	logged, err := r.d.opt.Store.ReadLog(ctx, brigade.LogQuery{BuildID: r.id, Tail: 1})
	if err != nil {
		return fmt.Errorf("read the log of build %s: %w", r.id, err)
	}
	r.worker = newLogSink(r, "", logged)
	if r.build0.Attempt > 1 {
		jobs, err := r.d.opt.Store.ListJobs(ctx, r.id)
		if err != nil {
			return fmt.Errorf("read the jobs of build %s: %w", r.id, err)
		}
		for _, j := range jobs {
			r.recorded[j.ID] = j
		}
	}
	return r.update(ctx, func(b *brigade.Build) {
		b.State = brigade.StateRunning
		b.Runner = r.d.opt.Runner.Name()
		if b.Started.IsZero() {
			b.Started = r.d.opt.Now()
		}
	})
}

// script gets files, script and dependencies together and runs the script.
func (r *run) script(ctx context.Context) (brigade.ScriptResult, error) {
	tree, err := r.d.opt.Source.Fetch(ctx, r.project, r.build0, r.notice)
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	r.tree = tree
	found, err := locate(r.project, r.build0, tree.Dir)
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	modules := ""
	if r.d.opt.Deps != nil {
		if modules, err = r.d.opt.Deps.Install(ctx, found.config, tree.Dir, r.notice); err != nil {
			return brigade.ScriptResult{}, err
		}
	}
	err = r.update(context.WithoutCancel(ctx), func(b *brigade.Build) { b.Script = r.mask.String(found.text) })
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	result, err := r.d.opt.Worker.RunScript(ctx, brigade.ScriptRun{
		Build: r.build0, Project: r.visibleProject(),
		Script: found.text, File: found.file, Root: tree.Dir, Modules: modules,
		Env: r.scriptEnv(tree.Dir), Limits: r.d.opt.Limits,
	}, r)
	if err == nil && result.Failure == nil && !result.Handled {
		r.warnUnhandled(result)
	}
	return result, err
}

// visibleProject is the project as the script may see it.
func (r *run) visibleProject() *brigade.Project {
	if r.build0.Event.Untrusted {
		return r.project.WithoutSecrets()
	}
	return r.project
}

func (r *run) warnUnhandled(result brigade.ScriptResult) {
	has := "it has no handlers at all"
	if len(result.Handlers) > 0 {
		has = "it has handlers for: " + strings.Join(result.Handlers, ", ")
	}
	r.Log(brigade.LevelWarn, fmt.Sprintf("[brigade] the script has no handler for %q, so nothing ran; %s", r.build0.Event.Type, has))
}

// settle waits until no job of the build runs any more. When the build was
// canceled or the worker is gone it stops them first.
func (r *run) settle(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
		r.stopJobs(context.Cause(ctx))
	case err != nil:
		r.stopJobs(err)
	}
	r.jobs.Wait()
	r.stopJobs(nil)
	r.worker.close()
}

// finish writes down how the build ended.
func (r *run) finish(ctx context.Context, result brigade.ScriptResult, err error) (*brigade.Build, error) {
	state, failure := brigade.StateSucceeded, result.Failure
	switch {
	case ctx.Err() != nil:
		state, failure = brigade.StateCanceled, canceled(context.Cause(ctx))
		result.ExitCode = brigade.ExitCanceled
	case err != nil:
		state, failure = brigade.StateFailed, asError(err)
	case failure != nil || result.ExitCode != 0:
		state = brigade.StateFailed
		if failure == nil {
			failure = brigade.Errorf(brigade.CodeBuildFailed, "the script ended with exit code %d", result.ExitCode)
		}
	}
	if state == brigade.StateFailed && result.ExitCode == 0 {
		result.ExitCode = failure.Code.ExitCode()
	}
	updateErr := r.update(context.WithoutCancel(ctx), func(b *brigade.Build) {
		b.State, b.Failure, b.ExitCode = state, r.maskError(failure), result.ExitCode
		b.Ended = r.d.opt.Now()
		b.Lease = brigade.Lease{}
	})
	return r.snapshot(), updateErr
}

// update changes the build in the store and tells the watchers.
func (r *run) update(ctx context.Context, change func(*brigade.Build)) error {
	b, err := r.d.opt.Store.UpdateBuild(ctx, r.id, func(b *brigade.Build) error {
		if b.Lease.Owner != "" && b.Lease.Owner != r.d.opt.Owner {
			return brigade.Errorf(brigade.CodeConflict, "build %s is run by %s now", b.ID, b.Lease.Owner)
		}
		change(b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write down build %s: %w", r.id, err)
	}
	r.mu.Lock()
	r.build = b
	r.mu.Unlock()
	r.publish(brigade.Change{Build: b})
	return nil
}

func (r *run) snapshot() *brigade.Build {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.build
}

func (r *run) publish(c brigade.Change) {
	c.Time, c.BuildID = r.d.opt.Now(), r.id
	r.d.opt.Feed.Publish(c)
}

func (r *run) notice(text string) { r.publish(brigade.Change{Notice: r.mask.String(text)}) }

// renew keeps the lease until the returned function is called. A lost lease
// ends the build's context: somebody else runs it.
func (r *run) renew(ctx context.Context, lost context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(r.d.opt.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			err := r.d.opt.Store.Renew(context.WithoutCancel(ctx), r.id, r.d.opt.Owner, r.d.opt.Lease)
			if errors.Is(err, &brigade.Error{Code: brigade.CodeConflict}) {
				lost(err)
				return
			}
			if err != nil {
				r.d.opt.Log.Warn("renew the lease", "build", r.id, "err", err)
			}
		}
	}()
	return func() { close(done) }
}

// canceled turns the cause of a cancel into the build's failure.
func canceled(cause error) *brigade.Error {
	var e *brigade.Error
	if errors.As(cause, &e) {
		return e
	}
	return &brigade.Error{Code: brigade.CodeCanceled, Message: "the build was canceled", Err: cause}
}

// asError makes sure that a failure has a code and a sentence.
func asError(err error) *brigade.Error {
	var e *brigade.Error
	if errors.As(err, &e) {
		return e
	}
	return &brigade.Error{Code: brigade.CodeInternal, Message: err.Error(), Err: err}
}

func (r *run) maskError(e *brigade.Error) *brigade.Error {
	if e == nil {
		return nil
	}
	return &brigade.Error{Code: e.Code, Message: r.mask.String(e.Message), Hint: r.mask.String(e.Hint)}
}
