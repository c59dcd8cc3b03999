package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

// maxCrashes is how often a script whose process was killed is started again.
const maxCrashes = 3

// errHandover ends a build's run without ending the build: the next process
// that claims it goes on.
var errHandover = brigade.ErrHandover

// run is one build under way. It is the Host of its script.
type run struct {
	d       *Dispatcher
	id      string         // of the build
	build0  *brigade.Build // as it was claimed; never changes
	project *brigade.Project
	mask    *mask.Masker
	worker  *logSink

	jobs       sync.WaitGroup          // flights that are not over
	jobsCtx    context.Context         // ends when the build is canceled or its worker is gone
	stopJobs   context.CancelCauseFunc //
	cleanup    context.Context         // of jobs that a canceled script starts to clean up
	stopScript context.CancelCauseFunc // ends cleanup and the script
	aborted    chan struct{}           // closed when the build was canceled
	end        context.CancelCauseFunc // ends the run, for the reason given
	over       context.Context         // ended by end

	mu       sync.Mutex
	build    *brigade.Build // as last written
	tree     Tree           // the files of the jobs
	trees    []Tree         // all that were fetched
	logs     map[string]*jobLog
	live     map[string]brigade.Execution
	cancels  map[string]context.CancelCauseFunc
	flights  map[string]*flight
	names    map[string]int          // how often the script has run a job of that name
	recorded map[string]*brigade.Job // what an earlier attempt left, by job ID
	olds     map[string]*brigade.Job // the jobs of the build that this one reruns, by ID
	killed   bool
	closed   bool // no job is started any more
}

func newRun(d *Dispatcher, build *brigade.Build, project *brigade.Project) *run {
	r := &run{
		d: d, id: build.ID, build0: build, build: build, project: project,
		mask:    mask.New(append(project.SecretValues(), mask.PayloadSecrets(build.Event.Payload)...)),
		aborted: make(chan struct{}),
		logs:    map[string]*jobLog{}, live: map[string]brigade.Execution{},
		cancels: map[string]context.CancelCauseFunc{}, flights: map[string]*flight{}, names: map[string]int{},
		recorded: map[string]*brigade.Job{}, olds: map[string]*brigade.Job{},
	}
	r.jobsCtx, r.stopJobs = context.WithCancelCause(context.Background())
	r.cleanup, r.stopScript = context.WithCancelCause(context.Background())
	r.over, r.end = context.WithCancelCause(context.Background())
	return r
}

// do takes the build to its end, or hands it over.
func (r *run) do(outer context.Context) (*brigade.Build, error) {
	ctx := r.over
	defer r.end(nil)
	defer r.stopScript(nil)
	stopFollowing := context.AfterFunc(outer, func() { r.end(context.Cause(outer)) })
	defer stopFollowing()
	stopRenewing := r.renew(r.end)
	defer stopRenewing()
	stopWatching := context.AfterFunc(ctx, func() { r.abort(context.Cause(ctx)) })
	defer stopWatching()
	if limit := time.Duration(r.project.Limits.Timeout); limit > 0 {
		over := time.AfterFunc(r.remaining(limit), func() {
			r.end(brigade.Errorf(brigade.CodeBuildFailed, "the build ran longer than the %s its project allows", limit))
		})
		defer over.Stop()
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	result, err := r.script(ctx)
	r.settle(err)
	cause := context.Cause(ctx) // what comes from here on finds the script ended
	if errors.Is(cause, errHandover) {
		return r.handOver()
	}
	if brigade.CodeOf(cause) == brigade.CodeConflict { // somebody else has it, and writes down how it ends
		r.release()
		return r.snapshot(), cause
	}
	r.clear()
	return r.finish(cause, result, err)
}

// abort reacts to the end of the build's context: jobs are stopped, and the
// script gets the grace time to clean up. A build that goes to somebody else
// is let go of at once.
func (r *run) abort(cause error) {
	if errors.Is(cause, errHandover) || brigade.CodeOf(cause) == brigade.CodeConflict || r.isKilled() {
		r.stopScript(cause) // first, so that it does not take the end of its jobs for failures
		r.stopJobs(cause)
		return
	}
	r.stopJobs(cause)
	close(r.aborted)
	time.AfterFunc(r.d.opt.Grace, func() { r.stopScript(cause) })
}

// jobContext is the context of a job that starts now.
func (r *run) jobContext() context.Context {
	select {
	case <-r.aborted:
		return r.cleanup
	default:
		return r.jobsCtx
	}
}

// begin writes down that the build runs, and reads what earlier attempts left.
func (r *run) begin() error {
	ctx := context.Background()
	logged, err := r.d.opt.Store.ReadLog(ctx, brigade.LogQuery{BuildID: r.id, Tail: 1})
	if err != nil {
		return fmt.Errorf("read the log of build %s: %w", r.id, err)
	}
	r.worker = newLogSink(r, "", lastSeq(logged))
	if r.build0.Attempt > 1 {
		if err := r.remember(r.id, r.recorded); err != nil {
			return err
		}
	}
	if r.build0.Inherit && r.build0.RerunOf != "" {
		if err := r.remember(r.build0.RerunOf, r.olds); err != nil {
			return err
		}
	}
	return r.update(func(b *brigade.Build) {
		b.State, b.Failure, b.Waiting = brigade.StateRunning, nil, ""
		b.Runner = r.d.opt.Runner.Name()
		if b.Started.IsZero() {
			b.Started = r.d.opt.Now()
		}
		note := ""
		if b.Attempt > 1 {
			note = fmt.Sprintf("attempt %d", b.Attempt)
		}
		addStep(&b.History, b.State, r.d.opt.Now(), note)
	})
}

func (r *run) remember(build string, to map[string]*brigade.Job) error {
	jobs, err := r.d.opt.Store.ListJobs(context.Background(), build)
	if err != nil {
		return fmt.Errorf("read the jobs of build %s: %w", build, err)
	}
	for _, j := range jobs {
		to[j.ID] = j
	}
	return nil
}

// script gets files, script and dependencies together and runs the script.
func (r *run) script(ctx context.Context) (brigade.ScriptResult, error) {
	if own, ok := r.d.opt.Worker.(brigade.Autonomous); ok && own.Autonomous(r.build0, r.project) {
		return r.runScript(ctx, brigade.ScriptRun{Build: r.build0, Project: r.project, Limits: r.d.opt.Limits, Abort: r.aborted})
	}
	scripts, err := r.fetch(ctx)
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	if err := r.complete(ctx); err != nil {
		return brigade.ScriptResult{}, err
	}
	found, err := locate(r.project, r.build0, scripts.Dir)
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	modules := ""
	if r.d.opt.Deps != nil {
		if modules, err = r.d.opt.Deps.Install(ctx, DependencyRequest{Script: found.text, Config: found.config, Dir: scripts.Dir, Notice: r.notice}); err != nil {
			return brigade.ScriptResult{}, err
		}
	}
	if err := r.update(func(b *brigade.Build) { b.Script = r.mask.String(found.text) }); err != nil {
		return brigade.ScriptResult{}, err
	}
	result, err := r.runScript(ctx, brigade.ScriptRun{
		Build: r.build0, Project: r.visibleProject(),
		Script: found.text, File: found.file, Root: scripts.Dir, Modules: modules,
		Env: r.scriptEnv(scripts.Dir), Limits: r.d.opt.Limits, Abort: r.aborted,
	})
	if err == nil && result.Failure == nil && !result.Handled {
		r.warnUnhandled(result)
	}
	return result, err
}

// complete fills in what the project names and does not hold, in a copy: the
// project may be another build's, too. No job has been started yet.
func (r *run) complete(ctx context.Context) error {
	if r.d.opt.Complete == nil {
		return nil
	}
	own := *r.project
	if err := r.d.opt.Complete(ctx, &own); err != nil {
		return err
	}
	r.project = &own
	return nil
}

// fetch gets the build's files for its jobs, and returns those in which the
// script and its local modules are found: the same, unless the event comes
// from a fork whose scripts are not trusted.
func (r *run) fetch(ctx context.Context) (Tree, error) {
	tree, err := r.fetchOnce(ctx, r.build0)
	if err != nil {
		return Tree{}, err
	}
	r.trees, r.tree = append(r.trees, tree), tree
	if r.build0.Event.ScriptRef == "" {
		return tree, nil
	}
	trusted := *r.build0
	trusted.Event.CloneURL = ""
	trusted.Event.Revision = brigade.Revision{Ref: r.build0.Event.ScriptRef}
	scripts, err := r.fetchOnce(ctx, &trusted)
	if err != nil {
		return Tree{}, err
	}
	r.trees = append(r.trees, scripts)
	return scripts, nil
}

// runScript runs the script, and again when its process was killed: jobs that
// are done or under way are met again by their names.
func (r *run) runScript(ctx context.Context, script brigade.ScriptRun) (brigade.ScriptResult, error) {
	for crashes := 1; ; crashes++ {
		result, err := r.d.opt.Worker.RunScript(r.cleanup, script, r)
		if brigade.CodeOf(err) != brigade.CodeScriptCrashed || crashes >= maxCrashes || ctx.Err() != nil {
			r.forget()
			return result, err
		}
		r.mu.Lock()
		r.names = map[string]int{}
		for _, f := range r.flights {
			f.wanted = false
		}
		r.mu.Unlock()
		r.Log(brigade.LevelWarn, fmt.Sprintf("[brigade] %v; the script runs again", err))
		if err := r.update(func(b *brigade.Build) {
			b.Attempt++
			addStep(&b.History, b.State, r.d.opt.Now(), fmt.Sprintf("attempt %d: the script's process was gone", b.Attempt))
		}); err != nil {
			return brigade.ScriptResult{}, err
		}
	}
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

// settle waits until no job of the build is watched any more. When the worker
// is gone (err) it stops them first.
func (r *run) settle(err error) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	if err != nil {
		r.stopJobs(err)
	}
	r.jobs.Wait()
	r.worker.close()
}

// clear removes what the build needed while it ran.
func (r *run) clear() {
	if err := r.d.opt.Runner.EndBuild(context.Background(), r.id); err != nil {
		r.d.opt.Log.Warn("clean up after the build", "build", r.id, "err", err)
	}
	r.release()
}

func (r *run) release() {
	for _, tree := range r.trees {
		if tree.Release == nil {
			continue
		}
		if err := tree.Release(); err != nil {
			r.d.opt.Log.Warn("remove the build's files", "build", r.id, "err", err)
		}
	}
}

// handOver gives the build up as it is, for the next process to claim.
func (r *run) handOver() (*brigade.Build, error) {
	r.release()
	err := r.update(func(b *brigade.Build) { b.Lease = brigade.Lease{} })
	return r.snapshot(), err
}

// finish writes down how the build ended, or that it is to be retried. cause is
// why it was to end before its script had, or nil.
func (r *run) finish(cause error, result brigade.ScriptResult, err error) (*brigade.Build, error) {
	state, failure := brigade.StateSucceeded, result.Failure
	switch {
	case cause != nil:
		state, failure = brigade.StateCanceled, canceled(cause)
		result.ExitCode = brigade.ExitCanceled
		if failure.Code != brigade.CodeCanceled { // a time limit
			state, result.ExitCode = brigade.StateFailed, 0
		}
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
	updateErr := r.update(func(b *brigade.Build) {
		b.Failure, b.ExitCode, b.Lease = r.maskError(failure), result.ExitCode, brigade.Lease{}
		if state == brigade.StateFailed && r.retried(b, failure) {
			return
		}
		b.State, b.Ended = state, r.d.opt.Now()
		addStep(&b.History, state, b.Ended, "")
	})
	return r.snapshot(), updateErr
}

// retried puts a failed build back into the queue when its project wants that.
func (r *run) retried(b *brigade.Build, failure *brigade.Error) bool {
	hopeless := []brigade.Code{brigade.CodeScriptLoad, brigade.CodeModule, brigade.CodeInvalid, brigade.CodeTooLarge, brigade.CodeJobForbidden}
	if r.project.Retry == nil || b.Retries >= r.project.Retry.Limit || slices.Contains(hopeless, failure.Code) {
		return false
	}
	now := r.d.opt.Now()
	b.Retries++
	b.State, b.RetriedAt, b.NotBefore = brigade.StatePending, now, now.Add(r.project.Retry.Delay(b.Retries))
	addStep(&b.History, b.State, now, fmt.Sprintf("failed; retry %d of %d", b.Retries, r.project.Retry.Limit))
	return true
}

// update changes the build in the store and tells the watchers.
func (r *run) update(change func(*brigade.Build)) error {
	var b *brigade.Build
	err := r.persist("build "+r.id, func() (err error) {
		b, err = r.d.opt.Store.UpdateBuild(context.Background(), r.id, func(b *brigade.Build) error {
			if b.Lease.Owner != "" && b.Lease.Owner != r.d.opt.Owner {
				return brigade.Errorf(brigade.CodeConflict, "build %s is run by %s now", b.ID, b.Lease.Owner)
			}
			change(b)
			return nil
		})
		return err
	})
	if err != nil {
		return err
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

// renew keeps the lease, and looks whether another process wants the build to
// end, until the returned function is called. A lost lease ends the run:
// somebody else has the build.
func (r *run) renew(end context.CancelCauseFunc) (stop func()) {
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
			if err := r.renewOnce(end); err != nil {
				r.d.opt.Log.Warn("renew the lease", "build", r.id, "err", err)
			}
		}
	}()
	return func() { close(done) }
}

func (r *run) renewOnce(end context.CancelCauseFunc) error {
	ctx := context.Background()
	err := r.d.opt.Store.Renew(ctx, r.id, r.d.opt.Owner, r.d.opt.Lease)
	switch brigade.CodeOf(err) {
	case "":
	case brigade.CodeConflict, brigade.CodeNotFound:
		end(&brigade.Error{Code: brigade.CodeConflict, Message: err.Error(), Err: err})
		return nil
	default:
		return err
	}
	b, err := r.d.opt.Store.Build(ctx, r.id)
	if err == nil && b.Cancel != nil {
		end(cancelCause("build", b.Cancel))
	}
	return err
}

// cancelCause is the failure of a build or job that somebody canceled.
func cancelCause(what string, c *brigade.CancelRequest) error {
	e := brigade.Errorf(brigade.CodeCanceled, "the %s was canceled", what)
	if c.Actor != "" {
		e.Message += " by " + c.Actor
	}
	if c.Reason != "" {
		e.Message += ": " + c.Reason
	}
	return e
}

// canceled turns the cause of a cancel into a failure.
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
