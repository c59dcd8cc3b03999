package scripttest

import (
	"context"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// scene is a build on its way to be played.
type scene struct {
	id           string
	event        brigade.Event
	project      *brigade.Project
	script, file string
	env          map[string]string
	cancel       *float64 // milliseconds after which it is canceled; nil: it is not
	ask          func(spec brigade.JobSpec, attempt int, answered func(Answer, error))
}

// Play fires an event in the runner's script and returns what happened. answer
// says what becomes of the jobs; it is called for one at a time. The error is
// the context's, or one of the worker.
func (r *Runner) Play(ctx context.Context, e brigade.Event, p *brigade.Project, answer func(spec brigade.JobSpec) Answer) (Build, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Limit, brigade.Errorf(brigade.CodeScriptLimit, "the event %q was not over after %s", e.Type, r.opts.Limit))
	defer cancel()
	return r.playScene(ctx, scene{
		id: buildID(1), event: e, project: p, script: r.opts.Script, file: r.opts.File,
		ask: func(spec brigade.JobSpec, _ int, answered func(Answer, error)) { answered(answer(spec), nil) },
	})
}

// playScene runs the script.
func (r *Runner) playScene(ctx context.Context, s scene) (Build, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b := &brigade.Build{ID: s.id, ProjectID: s.project.ID, Project: s.project.Name, Event: s.event}
	run := brigade.ScriptRun{
		Build: b, Project: s.project, Script: s.script, File: s.file, Root: r.opts.Dir, Modules: r.opts.Modules,
		Env: s.env, Limits: brigade.ScriptLimits{Turn: r.opts.Limit / 3},
	}
	st := newStage(b, s.project)
	st.ask, st.stop = s.ask, stop
	run.Abort = st.abort
	if s.cancel != nil {
		st.cancelAt = epoch.Add(time.Duration(*s.cancel * float64(time.Millisecond)))
	}
	result, err := r.worker.WithClock(st).RunScript(ctx, run, st)
	if ctx.Err() != nil {
		return Build{}, context.Cause(ctx)
	}
	if err != nil && result.Failure == nil {
		return Build{}, err
	}
	played := Build{
		ID: b.ID, State: brigade.StateSucceeded, ExitCode: result.ExitCode, Handled: result.Handled,
		Handlers: append([]string{}, result.Handlers...), Failure: result.Failure,
	}
	if result.Failure != nil || result.ExitCode != 0 {
		played.State = brigade.StateFailed
	}
	if result.Failure != nil && result.Failure.Code == brigade.CodeCanceled && st.canceled() {
		played.State = brigade.StateCanceled
	}
	played.Jobs, played.Log, played.Events = st.played()
	return played, nil
}
