package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/traceparent"
)

// JobLog returns what a job of this build has printed: brigade.Host.
func (r *run) JobLog(_ context.Context, jobID string) (string, error) {
	r.mu.Lock()
	log := r.logs[jobID]
	r.mu.Unlock()
	if log == nil {
		return "", brigade.NotFound("job", jobID)
	}
	return log.soFar(), nil
}

// Log adds lines to the worker's log: brigade.Host.
func (r *run) Log(level brigade.LogLevel, text string) {
	if r.build0.Event.LogLevel.Shows(level) {
		r.worker.add(level, strings.Split(r.mask.String(text), "\n"))
	}
}

// Fired passes on that an event was fired in the script: brigade.Host.
func (r *run) Fired(l brigade.Lifecycle) {
	l.Reason = r.mask.String(l.Reason)
	r.publish(brigade.Change{Fired: &l})
}

// maskSpec hides secrets in what is written down about a job.
func (r *run) maskSpec(spec brigade.JobSpec) brigade.JobSpec {
	data, err := json.Marshal(spec)
	if err != nil {
		return brigade.JobSpec{Name: spec.Name}
	}
	var masked brigade.JobSpec
	if err := json.Unmarshal([]byte(r.mask.String(string(data))), &masked); err != nil {
		return brigade.JobSpec{Name: spec.Name}
	}
	return masked
}

// attempts runs the job, and again when it fails and the script wants that.
func (r *run) attempts(ctx context.Context, f *flight) (brigade.JobResult, error) {
	job, again := f.job, f.again
	for {
		x := &jobRun{r: r, job: job, again: again}
		result, err := x.do(ctx)
		if err == nil || !triesLeft(job, err) || ctx.Err() != nil {
			return r.verdict(job, result, err)
		}
		retry, n := retryOf(job, err), job.Retries+1
		delay := retry.Delay(n)
		r.publish(brigade.Change{JobID: job.ID, Notice: fmt.Sprintf("failed (%s); it runs again in %s, %d of %d", r.mask.String(err.Error()), delay, n, retry.Limit)})
		if !sleep(ctx, delay) {
			return r.verdict(job, result, canceled(context.Cause(ctx)))
		}
		next := *job
		next.Attempt, next.Retries, next.State, next.Failure, next.Handle = job.Attempt+1, n, brigade.StatePending, nil, ""
		next.Started, next.Ended = time.Time{}, time.Time{}
		job, again = &next, false
	}
}

// lostAgain is how often a job runs again that was lost without its own fault,
// unless its script says how often: its node went, or somebody deleted its pod.
// It had not ended, so nothing that has finished is repeated.
const lostAgain = 2

// retryOf is how a job that failed with err is run again, or nil.
func retryOf(job *brigade.Job, err error) *brigade.Retry {
	if job.Spec.Retry == nil && brigade.CodeOf(err) == brigade.CodeJobLost {
		return &brigade.Retry{Limit: lostAgain}
	}
	return job.Spec.Retry
}

// triesLeft reports whether a job that failed with err is to run again.
func triesLeft(job *brigade.Job, err error) bool {
	retry := retryOf(job, err)
	return retry != nil && job.Retries < retry.Limit && worthRetrying(err)
}

// worthRetrying reports whether another attempt may end differently.
func worthRetrying(err error) bool {
	switch brigade.CodeOf(err) {
	case brigade.CodeJobForbidden, brigade.CodeInvalid, brigade.CodeCanceled, brigade.CodeStore:
		return false
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jobRun is one attempt of a job.
type jobRun struct {
	r    *run
	job  *brigade.Job
	log  *jobLog
	sink *logSink
	// again: it may be under way already, since before a restart
	again bool
	hold  func() (release func()) // stops the clock of its time limit
}

// do runs the job once and writes down every step.
func (x *jobRun) do(ctx context.Context) (brigade.JobResult, error) {
	if err := x.openLog(); err != nil {
		return brigade.JobResult{}, err
	}
	if !x.again {
		if err := x.save(); err != nil {
			x.closeLog()
			return brigade.JobResult{}, err
		}
	}
	exit, err := x.execute(ctx)
	output, truncated := x.closeLog()
	if err == nil && exit.Code != 0 {
		err = exitError(exit)
	}
	x.conclude(exit, err, truncated)
	j := x.job
	result := brigade.JobResult{JobID: j.ID, ExitCode: j.ExitCode, Output: output, Truncated: truncated, Outputs: j.Outputs, Artifacts: j.Artifacts}
	if errors.Is(context.Cause(ctx), errHandover) {
		return result, err // somebody else goes on with it: it has not ended
	}
	if saveErr := x.save(); saveErr != nil && err == nil {
		err = saveErr
	}
	return result, err
}

// conclude sets how the job ended.
func (x *jobRun) conclude(exit brigade.Exit, err error, truncated bool) {
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	j := x.job
	j.ExitCode, j.Truncated, j.LogBytes = exit.Code, truncated, x.log.total
	j.Parts = slices.DeleteFunc(slices.Clone(j.Parts), func(p brigade.LogPart) bool { return p.Line > j.LogFrom }) // of attempts before
	j.Parts = append(j.Parts, x.log.parts...)
	j.Outputs = parseOutputs(exit.Outputs)
	for _, a := range exit.Artifacts {
		addArtifact(j, a)
	}
	j.State = brigade.StateSucceeded
	if err != nil {
		j.State, j.Failure = brigade.StateFailed, x.r.maskError(asError(err))
	}
	if brigade.CodeOf(err) == brigade.CodeCanceled {
		j.State = brigade.StateCanceled
	}
	if !exit.Started.IsZero() {
		j.Started = exit.Started
	}
	j.Ended = exit.Ended
	if j.Ended.IsZero() {
		j.Ended = x.r.d.opt.Now()
	}
}

// openLog opens the job's log. That of a job which is found again is written
// from its beginning: the store leaves out the lines that it has.
func (x *jobRun) openLog() error {
	x.sink = newLogSink(x.r, x.job.ID, x.job.LogFrom)
	if !x.again {
		if err := x.headLog(); err != nil {
			return err
		}
	}
	x.log = newJobLog(x.r, x.sink)
	x.r.mu.Lock()
	x.r.logs[x.job.ID] = x.log
	x.r.mu.Unlock()
	return nil
}

// headLog puts the log of a new attempt behind those before.
func (x *jobRun) headLog() error {
	if x.job.Attempt > 1 {
		last, err := x.r.readLog(brigade.LogQuery{BuildID: x.r.id, JobID: x.job.ID, Tail: 1})
		if err != nil {
			return err
		}
		x.sink.goOn(lastSeq(last))
		x.sink.add(brigade.LevelInfo, []string{fmt.Sprintf("— attempt %d —", x.job.Attempt)})
		x.job.LogFrom = lastSeq(last) + 1
	}
	x.job.BuildRetries = x.r.build0.Retries
	return nil
}

// closeLog ends the log and returns what was printed.
func (x *jobRun) closeLog() (output string, truncated bool) {
	output, truncated = x.log.close()
	x.sink.close()
	return output, truncated
}

// execute waits for a slot, starts the job and waits for its end, its timeout
// or the build's cancel.
func (x *jobRun) execute(ctx context.Context) (brigade.Exit, error) {
	if err := forbidden(x.r.project, x.job.Spec); err != nil {
		return brigade.Exit{}, err
	}
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	x.r.setCancel(x.job.ID, done)
	defer x.r.setCancel(x.job.ID, nil)
	release, err := x.r.d.acquire(ctx, x.r.project)
	if err != nil {
		return brigade.Exit{}, canceled(err)
	}
	defer release()
	timeout := time.Duration(x.job.Spec.Timeout) * time.Millisecond
	limited, clock, stop := withLimit(ctx, timeout, timeoutError(x.job))
	defer stop()
	x.hold = clock.hold
	running, err := x.start(limited)
	for err != nil && x.r.d.lackedRoom() && limited.Err() == nil {
		x.r.publish(brigade.Change{JobID: x.job.ID, Notice: "it waits for room: " + x.r.mask.String(err.Error())})
		if x.r.d.awaitRoom(limited) {
			running, err = x.start(limited)
		}
	}
	if err != nil {
		if cause := context.Cause(limited); cause != nil {
			err = canceled(cause)
		}
		return brigade.Exit{}, err
	}
	return x.wait(limited, running)
}

func (x *jobRun) start(ctx context.Context) (brigade.Execution, error) {
	run := brigade.JobRun{
		Job: x.traced(), Build: x.r.build0, Project: x.r.project,
		Log: x.log, Notify: x.notify, Hold: x.hold,
	}
	if x.job.Spec.UseSource {
		run.Source = x.r.tree.Dir
	}
	if len(x.job.Spec.Artifacts) > 0 && x.r.d.opt.Artifacts != nil {
		run.Keep = x.keep
	}
	running, err := x.startOrAttach(ctx, run)
	if err != nil {
		return nil, err
	}
	x.r.mu.Lock()
	x.job.Handle = running.Handle()
	state := x.job.State
	x.r.mu.Unlock()
	if state != brigade.StateRunning {
		x.notify(brigade.StateRunning, "")
	} else if x.job.Handle != "" {
		x.saveOrWarn()
	}
	return running, nil
}

// traced is the job as the runner gets it: with marks between its tasks, and
// with its place in the trace as TRACEPARENT, when there is a trace and the
// script did not set one.
func (x *jobRun) traced() *brigade.Job {
	parent := x.r.build0.Event.TraceParent
	x.r.mu.Lock()
	j := *x.job
	x.r.mu.Unlock()
	j.Spec.Tasks = marked(x.r.d.opt.Runner.Name(), &j.Spec)
	if _, set := j.Spec.Env["TRACEPARENT"]; set || parent == "" && !x.r.d.opt.Trace {
		return &j
	}
	j.Spec.Env = maps.Clone(j.Spec.Env)
	if j.Spec.Env == nil {
		j.Spec.Env = map[string]brigade.EnvValue{}
	}
	j.Spec.Env["TRACEPARENT"] = brigade.EnvValue{Value: traceparent.Job(parent, x.r.id, j.ID, j.Attempt).String()}
	return &j
}

// How often a job is looked for while its runner does not answer.
const (
	attachEvery = time.Second
	attachTries = 120
)

// startOrAttach finds a job that was under way before a restart again, or
// starts it.
func (x *jobRun) startOrAttach(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	attacher, can := x.r.d.opt.Runner.(brigade.Attacher)
	if x.again && can {
		running, err := attacher.Attach(ctx, run, x.job.Handle)
		for tries := 0; brigade.CodeOf(err) == brigade.CodeUnavailable && tries < attachTries && sleep(ctx, attachEvery); tries++ {
			running, err = attacher.Attach(ctx, run, x.job.Handle) // the machine has just started, perhaps
		}
		if err == nil {
			x.r.publish(brigade.Change{JobID: x.job.ID, Notice: "found again after the restart"})
			return running, nil
		}
		x.r.d.opt.Log.Info("job not found again, it is started anew", "job", x.job.ID, "err", err)
		if err := x.anew(); err != nil {
			return nil, err
		}
		run.Job = x.traced()
	}
	return x.r.d.opt.Runner.Start(ctx, run)
}

// anew makes a new attempt of a job that was not found again.
func (x *jobRun) anew() error {
	x.r.mu.Lock()
	x.job.Attempt++
	x.job.State, x.job.Handle, x.job.Started = brigade.StatePending, "", time.Time{}
	x.again = false
	x.r.mu.Unlock()
	if err := x.headLog(); err != nil {
		return err
	}
	return x.save()
}

// wait returns when the job has ended. When ctx ends first, the job gets the
// grace time and the error is ctx's cause.
func (x *jobRun) wait(ctx context.Context, running brigade.Execution) (brigade.Exit, error) {
	x.r.setLive(x.job.ID, running)
	defer x.r.setLive(x.job.ID, nil)
	waitCtx, leave := context.WithCancelCause(context.Background())
	defer leave(nil)
	stopped := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, errHandover) && x.r.d.attaches() {
			leave(cause)
			return
		}
		grace := x.r.d.opt.Grace
		if x.r.isKilled() {
			grace = 0
		}
		if err := running.Stop(context.Background(), grace); err != nil {
			x.r.d.opt.Log.Warn("stop the job", "job", x.job.ID, "err", err)
		}
	})
	defer stopped()
	exit, err := running.Wait(waitCtx)
	if cause := context.Cause(ctx); cause != nil && (err != nil || exit.Code != 0) {
		return exit, canceled(cause)
	}
	return exit, err
}

// notify is the runner's voice: a new state, or a sentence about the present one.
func (x *jobRun) notify(state brigade.State, message string) {
	x.r.mu.Lock()
	changed := x.job.State != state && !x.job.State.Ended()
	if changed {
		x.job.State = state
		if state == brigade.StateRunning && x.job.Started.IsZero() {
			x.job.Started = x.r.d.opt.Now()
		}
	}
	x.r.mu.Unlock()
	if changed {
		x.saveOrWarn()
	}
	if message != "" {
		x.r.publish(brigade.Change{JobID: x.job.ID, Notice: x.r.mask.String(message)})
	}
}

// save writes the job down and tells the watchers.
func (x *jobRun) save() error {
	x.r.mu.Lock()
	addStep(&x.job.History, x.job.State, x.r.d.opt.Now(), "")
	j := *x.job
	j.History = append([]brigade.Step{}, j.History...)
	x.r.mu.Unlock()
	return x.r.saveJob(&j)
}

func (x *jobRun) saveOrWarn() {
	if err := x.save(); err != nil {
		x.r.d.opt.Log.Warn("write down the job's state", "job", x.job.ID, "err", err)
	}
}

// saveJob writes j down, which nobody else holds, and tells the watchers.
func (r *run) saveJob(j *brigade.Job) error {
	j.Spec = r.maskSpec(j.Spec)
	if err := r.persist("job "+j.ID, func() error { return r.d.opt.Store.PutJob(context.Background(), j) }); err != nil {
		return err
	}
	r.publish(brigade.Change{Job: j, JobID: j.ID})
	return nil
}

// addStep appends a change of state, once.
func addStep(history *[]brigade.Step, state brigade.State, now time.Time, note string) {
	if n := len(*history); n > 0 && (*history)[n-1].State == state && note == "" {
		return
	}
	*history = append(*history, brigade.Step{State: state, Time: now, Note: note})
}

func timeoutError(job *brigade.Job) error {
	return brigade.Errorf(brigade.CodeJobTimeout, "time limit (%d ms) exceeded", job.Spec.Timeout).
		WithHint("raise it: job.timeout = %d // milliseconds", 2*job.Spec.Timeout)
}

func exitError(exit brigade.Exit) error {
	if exit.Reason != "" {
		return brigade.Errorf(brigade.CodeBuildFailed, "it ended with exit code %d (%s)", exit.Code, exit.Reason)
	}
	return brigade.Errorf(brigade.CodeBuildFailed, "it ended with exit code %d", exit.Code)
}
