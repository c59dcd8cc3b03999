// Package brigadier is the module that scripts import to listen to events and
// run jobs, and the library of checks and releases built upon it. It knows
// nothing of the JavaScript engine.
package brigadier

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

//go:embed brigadier.js
var source string

//go:embed emitter.js
var emitterSource string

// Control are the functions of a loaded brigadier that drive a script's life.
// They are called on the loop. Their errors are what a handler threw.
type Control struct {
	Fire  func() error                             // the build's own event
	After func(trigger string) error               // the event after
	Error func(reason error, trigger string) error // the event error
	Has   func(event string) bool                  // whether there is a handler for it
	Names func() []string                          // the events there are handlers for
	// Cancel tells the script that somebody wants the build to end, and
	// reports whether it listens to that.
	Cancel func(reason string) (listens bool, err error)
}

// Options are what brigadier needs.
type Options struct {
	Run  brigade.ScriptRun
	Host brigade.Host
	// Loaded is told once the script has imported brigadier.
	Loaded func(Control)
}

// Modules returns brigadier under all its names, and the library of checks and
// releases built upon it.
func Modules(o Options) []modules.Module {
	b := &binding{Options: o}
	list := []modules.Module{
		{
			Names:  []string{"brigadier", "brigade", "@brigadecore/brigadier", "@azure/brigadier"},
			Source: source,
			Native: b.native,
		},
		{Names: []string{"brigade:emitter"}, Internal: true, Source: emitterSource},
	}
	return append(list, b.utilsModules()...)
}

type binding struct {
	Options
	started int // jobs, so far
}

type startKey struct{}

// StartOrder says as which of its script's jobs the one was started whose
// RunJob has ctx: 1, 2, 3 …, also when goroutines bring them in another order.
// 0 when that is not known.
func StartOrder(ctx context.Context) int {
	n, _ := ctx.Value(startKey{}).(int)
	return n
}

func (b *binding) native(*modules.Env) map[string]any {
	return map[string]any{
		"facts":   b.facts,
		"payload": func() string { return b.Run.Build.Event.Payload },
		"fired":   b.fired,
		"log":     func(text string) { b.Host.Log(brigade.LevelLog, text) },
		"run":     b.run,
		"logs":    b.logs,
		"bind":    b.bind,
	}
}

func (b *binding) fired(name string, handled bool, trigger, reason string) {
	b.Host.Fired(brigade.Lifecycle{Name: name, Handled: handled, Trigger: trigger, Reason: reason})
}

func (b *binding) bind(fire, after, failed, has, names, cancel func(...any) (any, error)) {
	only := func(_ any, err error) error { return err }
	b.Loaded(Control{
		Fire:  func() error { return only(fire()) },
		After: func(trigger string) error { return only(after(trigger)) },
		Error: func(reason error, trigger string) error { return only(failed(reason, trigger)) },
		Has: func(event string) bool {
			v, err := has(event)
			return err == nil && v == true
		},
		Names: func() []string {
			v, _ := names()
			list, _ := v.([]any)
			var out []string
			for _, name := range list {
				if s, ok := name.(string); ok {
					out = append(out, s)
				}
			}
			return out
		},
		Cancel: func(reason string) (bool, error) {
			v, err := cancel(reason)
			return err != nil || v == true, err
		},
	})
}

// run runs a job, given as JSON.
func (b *binding) run(spec string) (modules.Async, error) {
	var s brigade.JobSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return nil, badSpec(spec, err)
	}
	if err := s.Validate(); err != nil {
		return nil, withHint(err)
	}
	s = s.WithDefaults()
	b.started++
	order := b.started
	return func(ctx context.Context) (any, error) {
		r, err := b.Host.RunJob(context.WithValue(ctx, startKey{}, order), s)
		if err != nil {
			return nil, &jobError{err: err, result: r}
		}
		return resultOf(r), nil
	}, nil
}

// resultOf is a job's result as brigadier.js takes it.
func resultOf(r brigade.JobResult) map[string]any {
	result := map[string]any{
		"jobID": r.JobID, "exitCode": r.ExitCode, "output": r.Output, "truncated": r.Truncated, "outputs": r.Outputs,
	}
	if len(r.Artifacts) > 0 {
		var list []any
		for _, a := range r.Artifacts {
			list = append(list, map[string]any{"name": a.Name, "size": a.Size, "sha256": a.SHA256})
		}
		result["artifacts"] = list
	}
	if r.Failure != nil {
		result["failure"] = map[string]any{"code": string(r.Failure.Code), "message": r.Failure.Message}
	}
	return result
}

// badSpec says what is wrong with a job that cannot be read.
func badSpec(spec string, err error) error {
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal([]byte(spec), &named)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return brigade.Errorf(brigade.CodeInvalid, "job %q: %s cannot be a JSON %s", named.Name, wrong.Field, wrong.Value)
	}
	return brigade.Errorf(brigade.CodeInvalid, "job %q: %w", named.Name, err)
}

// withHint puts the hint into the message, because a script sees only that.
func withHint(err error) error {
	var public *brigade.Error
	if errors.As(err, &public) && public.Hint != "" {
		c := *public
		c.Message, c.Hint = fmt.Sprintf("%s; %s", public.Message, public.Hint), "" // said once
		return &c
	}
	return err
}

// jobError is the failure of a job with what is known of the job.
type jobError struct {
	err    error
	result brigade.JobResult
}

func (e *jobError) Error() string { return e.err.Error() }
func (e *jobError) Unwrap() error { return e.err }

// Fields are properties of the Error object in the script.
func (e *jobError) Fields() map[string]any {
	if e.result.JobID == "" {
		return nil
	}
	return map[string]any{"jobID": e.result.JobID, "exitCode": e.result.ExitCode}
}

func (b *binding) logs(jobID string) modules.Async {
	return func(ctx context.Context) (any, error) {
		return b.Host.JobLog(ctx, jobID)
	}
}
