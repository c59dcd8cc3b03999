package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// flight is a job that this process has started or is about to start. When the
// script's process dies and the script runs again, it is met again here.
type flight struct {
	job    *brigade.Job
	spec   []byte // as written down, to tell a changed one
	wanted bool   // the script that runs now has asked for it
	again  bool   // it may be under way already, since before a restart
	done   chan struct{}
	result brigade.JobResult
	err    error
}

// RunJob runs a job of the script to its end: brigade.Host.
func (r *run) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	if err := spec.Validate(); err != nil {
		return brigade.JobResult{}, err
	}
	f, isNew, err := r.board(r.newJob(spec.WithDefaults()))
	if err != nil {
		return brigade.JobResult{}, err
	}
	if isNew {
		go func() {
			defer r.jobs.Done()
			f.result, f.err = r.fly(f)
			close(f.done)
		}()
	}
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		return brigade.JobResult{}, context.Cause(ctx)
	}
}

// newJob names the job: <name>-<build>, and -2, -3 … behind it when the script
// runs a job of that name again.
func (r *run) newJob(spec brigade.JobSpec) *brigade.Job {
	r.mu.Lock()
	r.names[spec.Name]++
	nth := r.names[spec.Name]
	r.mu.Unlock()
	return &brigade.Job{
		ID: jobID(spec.Name, r.id, nth), BuildID: r.id, Name: spec.Name, Spec: spec,
		State: brigade.StatePending, Attempt: 1, Created: r.d.opt.Now(),
	}
}

func jobID(name, build string, nth int) string {
	if nth > 1 {
		return fmt.Sprintf("%s-%s-%d", name, build, nth)
	}
	return name + "-" + build
}

// board finds the flight of the job, or makes one. A job that is described
// differently from the one in flight is an error: both cannot have its name.
func (r *run) board(job *brigade.Job) (f *flight, isNew bool, err error) {
	spec, err := json.Marshal(r.maskSpec(job.Spec))
	if err != nil {
		return nil, false, fmt.Errorf("encode job %s: %w", job.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[job.ID]; f != nil {
		if !bytes.Equal(f.spec, spec) {
			return nil, false, brigade.Errorf(brigade.CodeConflict, "job %s is described differently from before the script's process died", job.ID).
				WithHint("give jobs the same names and settings each time the script runs")
		}
		f.wanted = true
		return f, false, nil
	}
	if r.closed {
		return nil, false, canceled(context.Cause(r.jobsCtx))
	}
	f = &flight{job: job, spec: spec, wanted: true, done: make(chan struct{})}
	r.flights[job.ID] = f
	r.jobs.Add(1)
	return f, true, nil
}

// fly answers with a result from before when there is one, else runs the job.
func (r *run) fly(f *flight) (brigade.JobResult, error) {
	ctx := r.jobContext()
	job := f.job
	if before := r.recorded[job.ID]; before != nil {
		if r.counts(before) && r.sameSpec(before, f) {
			return r.replay(before, before.ID, "finished before the restart; its result is used")
		}
		r.follow(before, f)
	} else if old := r.inherited(job, f); old != nil {
		return r.inherit(job, old)
	}
	return r.attempts(ctx, f)
}

// follow makes the job what comes after before: the same attempt when that is
// under way and can be found again, else the next one.
func (r *run) follow(before *brigade.Job, f *flight) {
	job := f.job
	job.Attempt, job.Created, job.History = before.Attempt, before.Created, before.History
	if before.BuildRetries == r.build0.Retries {
		job.Retries = before.Retries
		if before.State == brigade.StateFailed {
			job.Retries++
		}
	}
	if !before.State.Ended() && r.d.attaches() {
		if f.again = r.equalSpec(before, f); f.again {
			job.State, job.Started, job.Handle = before.State, before.Started, before.Handle
			job.LogFrom, job.BuildRetries = before.LogFrom, before.BuildRetries
			return
		}
		r.Log(brigade.LevelWarn, fmt.Sprintf("[brigade] job %s was under way, but the script describes it differently now: it is stopped and runs again", job.ID))
		r.abandon(before)
	}
	job.Attempt++
}

// abandon stops a job that is under way and not wanted any more.
func (r *run) abandon(job *brigade.Job) {
	attacher, ok := r.d.opt.Runner.(brigade.Attacher)
	if !ok {
		return
	}
	running, err := attacher.Attach(context.Background(), brigade.JobRun{Job: job, Build: r.build0, Project: r.project, Log: io.Discard}, job.Handle)
	if err != nil {
		return // it is gone
	}
	if err := running.Stop(context.Background(), r.d.opt.Grace); err != nil {
		r.d.opt.Log.Warn("stop the job", "job", job.ID, "err", err)
		return
	}
	_, _ = running.Wait(context.Background()) // how it ended does not matter
}

// counts reports whether a job of an earlier attempt needs not run again: it
// has ended, and not failed before the build was retried.
func (r *run) counts(before *brigade.Job) bool {
	switch before.State {
	case brigade.StateSucceeded:
		return true
	case brigade.StateFailed:
		return before.BuildRetries == r.build0.Retries && !triesLeft(before, before.Failure)
	}
	return false
}

// sameSpec reports whether a finished job stands for the one the script asks
// for now, and says in the log when it does not.
func (r *run) sameSpec(before *brigade.Job, now *flight) bool {
	if r.equalSpec(before, now) {
		return true
	}
	r.Log(brigade.LevelWarn, fmt.Sprintf("[brigade] job %s had finished before, but the script describes it differently now: it runs again", now.job.ID))
	return false
}

func (r *run) equalSpec(before *brigade.Job, now *flight) bool {
	was, err := json.Marshal(before.Spec)
	return err == nil && bytes.Equal(was, now.spec)
}

// inherited finds the job of the build that this one reruns. Jobs that share
// storage are never taken over: what they left there is gone.
func (r *run) inherited(job *brigade.Job, f *flight) *brigade.Job {
	if !r.build0.Inherit || job.Spec.Storage.Enabled {
		return nil
	}
	old := r.olds[strings.Replace(job.ID, r.id, r.build0.RerunOf, 1)]
	if old == nil || old.State != brigade.StateSucceeded || !r.sameSpec(old, f) {
		return nil
	}
	return old
}

// inherit writes down the job as one taken over, and answers with the old result.
func (r *run) inherit(job, old *brigade.Job) (brigade.JobResult, error) {
	id, created := job.ID, job.Created
	taken := *old
	taken.ID, taken.BuildID, taken.Created, taken.Inherited, taken.Handle = id, r.id, created, old.BuildID, ""
	if err := r.saveJob(&taken); err != nil {
		return brigade.JobResult{}, err
	}
	result, err := r.replay(old, id, "succeeded in "+old.BuildID+"; its result is taken over")
	result.JobID = id
	return result, err
}

// replay answers with what was written down about a finished job.
func (r *run) replay(job *brigade.Job, shownAs, notice string) (brigade.JobResult, error) {
	lines, err := r.readLog(brigade.LogQuery{BuildID: job.BuildID, JobID: job.ID, After: job.LogFrom})
	if err != nil {
		return brigade.JobResult{}, err
	}
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.Text)
		out.WriteByte('\n')
	}
	output := out.String()
	if int64(len(output)) == job.LogBytes+1 { // the last line had no end
		output = output[:job.LogBytes]
	}
	result := brigade.JobResult{
		JobID: job.ID, ExitCode: job.ExitCode, Output: output, Truncated: job.Truncated,
		Outputs: job.Outputs, Artifacts: job.Artifacts,
	}
	r.publish(brigade.Change{JobID: shownAs, Notice: notice})
	if job.BuildID == r.id {
		r.publish(brigade.Change{Job: job, JobID: job.ID})
	}
	if job.State == brigade.StateFailed {
		return r.verdict(job, result, job.Failure)
	}
	return result, nil
}

// verdict makes a failed job's error the script's: as v1 words it, or for a
// fallible job as part of the result.
func (r *run) verdict(job *brigade.Job, result brigade.JobResult, err error) (brigade.JobResult, error) {
	if err == nil {
		return result, nil
	}
	e := *asError(err)
	e.Message = fmt.Sprintf("job %s(%s): %s", job.Name, job.ID, e.Message)
	if job.Spec.Fallible && e.Code != brigade.CodeCanceled {
		result.Failure = &e
		return result, nil
	}
	return result, &e
}

// forget stops the flights that the script, run again, has not asked for.
func (r *run) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, f := range r.flights {
		if !f.wanted && r.live[id] != nil {
			_ = r.live[id].Stop(context.Background(), r.d.opt.Grace)
		}
	}
}
