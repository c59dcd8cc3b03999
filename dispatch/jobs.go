package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// RunJob runs a job of the script to its end: brigade.Host.
func (r *run) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	if err := spec.Validate(); err != nil {
		return brigade.JobResult{}, err
	}
	if err := r.jobsCtx.Err(); err != nil {
		return brigade.JobResult{}, context.Cause(r.jobsCtx)
	}
	r.jobs.Add(1)
	defer r.jobs.Done()
	job := r.newJob(spec.WithDefaults())
	if before := r.recorded[job.ID]; before != nil {
		if before.State.Ended() && before.State != brigade.StateCanceled && r.sameSpec(before, job) {
			return r.replay(before)
		}
		job.Attempt, job.Created = before.Attempt+1, before.Created
	}
	x := &jobRun{r: r, job: job}
	result, err := x.do(r.jobsCtx)
	if err != nil {
		return result, r.jobError(job, err)
	}
	return result, nil
}

// newJob names the job: <name>-<build>, and -2, -3 … behind it when the script
// runs a job of that name again.
func (r *run) newJob(spec brigade.JobSpec) *brigade.Job {
	r.mu.Lock()
	r.names[spec.Name]++
	nth := r.names[spec.Name]
	r.mu.Unlock()
	id := spec.Name + "-" + r.id
	if nth > 1 {
		id = fmt.Sprintf("%s-%d", id, nth)
	}
	return &brigade.Job{
		ID: id, BuildID: r.id, Name: spec.Name, Spec: spec,
		State: brigade.StatePending, Attempt: 1, Created: r.d.opt.Now(),
	}
}

// sameSpec reports whether a finished job stands for the one the script asks
// for now, and says in the log when it does not.
func (r *run) sameSpec(before, now *brigade.Job) bool {
	was, err1 := json.Marshal(before.Spec)
	is, err2 := json.Marshal(r.maskSpec(now.Spec))
	if err1 == nil && err2 == nil && bytes.Equal(was, is) {
		return true
	}
	r.Log(brigade.LevelWarn, fmt.Sprintf("[brigade] job %s had finished before the restart, but the script describes it differently now: it runs again", now.ID))
	return false
}

// replay answers with what was written down about a finished job.
func (r *run) replay(job *brigade.Job) (brigade.JobResult, error) {
	lines, err := r.d.opt.Store.ReadLog(context.Background(), brigade.LogQuery{BuildID: r.id, JobID: job.ID})
	if err != nil {
		return brigade.JobResult{}, fmt.Errorf("read the log of job %s: %w", job.ID, err)
	}
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.Text)
		out.WriteByte('\n')
	}
	result := brigade.JobResult{JobID: job.ID, ExitCode: job.ExitCode, Output: out.String(), Truncated: job.Truncated, Outputs: job.Outputs}
	r.publish(brigade.Change{JobID: job.ID, Notice: "finished before the restart; its result is used"})
	r.publish(brigade.Change{Job: job})
	if job.State == brigade.StateFailed {
		return result, r.jobError(job, job.Failure)
	}
	return result, nil
}

// JobLog returns what a job of this build has printed: brigade.Host.
func (r *run) JobLog(ctx context.Context, jobID string) (string, error) {
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

// jobError gives an error of a job the form v1 gives it.
func (r *run) jobError(job *brigade.Job, err error) error {
	e := *asError(err)
	e.Message = fmt.Sprintf("job %s(%s): %s", job.Name, job.ID, e.Message)
	return &e
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

// killJobs ends what runs at once, and what starts from now on.
func (r *run) killJobs() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	for _, x := range r.live {
		_ = x.Stop(context.Background(), 0)
	}
}

// jobRun is one job under way.
type jobRun struct {
	r    *run
	job  *brigade.Job
	log  *jobLog
	sink *logSink
}

// do runs the job and writes down every step.
func (x *jobRun) do(ctx context.Context) (brigade.JobResult, error) {
	if err := x.save(); err != nil {
		return brigade.JobResult{}, err
	}
	if err := x.openLog(); err != nil {
		return brigade.JobResult{}, err
	}
	exit, err := x.execute(ctx)
	output, truncated := x.log.close()
	x.sink.close()
	if err == nil && exit.Code != 0 {
		err = exitError(exit)
	}
	j := x.job
	j.ExitCode, j.Truncated, j.LogBytes = exit.Code, truncated, x.log.total
	if j.Outputs, j.Truncated = parseOutputs(exit.Outputs), truncated; err != nil {
		j.State, j.Failure = brigade.StateFailed, x.r.maskError(asError(err))
		if errors.Is(err, &brigade.Error{Code: brigade.CodeCanceled}) {
			j.State = brigade.StateCanceled
		}
	} else {
		j.State = brigade.StateSucceeded
	}
	x.times(exit)
	result := brigade.JobResult{JobID: j.ID, ExitCode: j.ExitCode, Output: output, Truncated: truncated, Outputs: j.Outputs}
	if saveErr := x.save(); saveErr != nil && err == nil {
		err = saveErr
	}
	return result, err
}

func (x *jobRun) openLog() error {
	last, err := x.r.d.opt.Store.ReadLog(context.Background(), brigade.LogQuery{BuildID: x.r.id, JobID: x.job.ID, Tail: 1})
	if err != nil {
		return fmt.Errorf("read the log of job %s: %w", x.job.ID, err)
	}
	x.sink = newLogSink(x.r, x.job.ID, last)
	if x.job.Attempt > 1 {
		x.sink.add(brigade.LevelInfo, []string{fmt.Sprintf("— attempt %d —", x.job.Attempt)})
	}
	x.log = newJobLog(x.r, x.sink)
	x.r.mu.Lock()
	x.r.logs[x.job.ID] = x.log
	x.r.mu.Unlock()
	return nil
}

// execute waits for a slot, starts the job and waits for its end, its timeout
// or the build's cancel.
func (x *jobRun) execute(ctx context.Context) (brigade.Exit, error) {
	if err := forbidden(x.r.project, x.job.Spec); err != nil {
		return brigade.Exit{}, err
	}
	release, err := x.r.d.acquire(ctx)
	if err != nil {
		return brigade.Exit{}, canceled(err)
	}
	defer release()
	timeout := time.Duration(x.job.Spec.Timeout) * time.Millisecond
	limited, done := context.WithTimeoutCause(ctx, timeout, timeoutError(x.job))
	defer done()
	running, err := x.start(limited)
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
		Job: x.job, Build: x.r.build0, Project: x.r.project,
		Log: x.log, Notify: x.notify,
	}
	if x.job.Spec.UseSource {
		run.Source = x.r.tree.Dir
	}
	running, err := x.startOrAttach(ctx, run)
	if err != nil {
		return nil, err
	}
	x.job.Handle = running.Handle()
	if x.job.State != brigade.StateRunning {
		x.notify(brigade.StateRunning, "")
	} else if x.job.Handle != "" {
		if err := x.save(); err != nil {
			x.r.d.opt.Log.Warn("write down the job's handle", "job", x.job.ID, "err", err)
		}
	}
	return running, nil
}

// startOrAttach finds a job that was under way before a restart again, or
// starts it.
func (x *jobRun) startOrAttach(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	before := x.r.recorded[x.job.ID]
	attacher, can := x.r.d.opt.Runner.(brigade.Attacher)
	if before != nil && !before.State.Ended() && before.Handle != "" && can {
		running, err := attacher.Attach(ctx, run, before.Handle)
		if err == nil {
			x.r.publish(brigade.Change{JobID: x.job.ID, Notice: "found again after the restart"})
			return running, nil
		}
		x.r.d.opt.Log.Info("job not found again, it is started anew", "job", x.job.ID, "err", err)
	}
	return x.r.d.opt.Runner.Start(ctx, run)
}

// wait returns when the job has ended. When ctx ends first, the job gets the
// grace time and the error is ctx's cause.
func (x *jobRun) wait(ctx context.Context, running brigade.Execution) (brigade.Exit, error) {
	x.r.setLive(x.job.ID, running)
	defer x.r.setLive(x.job.ID, nil)
	stopped := context.AfterFunc(ctx, func() {
		grace := x.r.d.opt.Grace
		if x.r.isKilled() {
			grace = 0
		}
		if err := running.Stop(context.Background(), grace); err != nil {
			x.r.d.opt.Log.Warn("stop the job", "job", x.job.ID, "err", err)
		}
	})
	defer stopped()
	exit, err := running.Wait(context.Background())
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
		if err := x.save(); err != nil {
			x.r.d.opt.Log.Warn("write down the job's state", "job", x.job.ID, "err", err)
		}
	}
	if message != "" {
		x.r.publish(brigade.Change{JobID: x.job.ID, Notice: x.r.mask.String(message)})
	}
}

// times sets when the job ran, from the runner's word where it has one.
func (x *jobRun) times(exit brigade.Exit) {
	if !exit.Started.IsZero() {
		x.job.Started = exit.Started
	}
	x.job.Ended = exit.Ended
	if x.job.Ended.IsZero() {
		x.job.Ended = x.r.d.opt.Now()
	}
}

// save writes the job down and tells the watchers.
func (x *jobRun) save() error {
	x.r.mu.Lock()
	j := *x.job
	x.r.mu.Unlock()
	j.Spec = x.r.maskSpec(j.Spec)
	if err := x.r.d.opt.Store.PutJob(context.Background(), &j); err != nil {
		return fmt.Errorf("write down job %s: %w", j.ID, err)
	}
	x.r.publish(brigade.Change{Job: &j, JobID: j.ID})
	return nil
}

func (r *run) setLive(id string, x brigade.Execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x == nil {
		delete(r.live, id)
		return
	}
	r.live[id] = x
	if r.killed {
		_ = x.Stop(context.Background(), 0)
	}
}

func (r *run) isKilled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
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
