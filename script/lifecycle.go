package script

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/brigadier"
	"github.com/brigadecore/brigade/v3/script/engine"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// The triggers of the events after and error.
const (
	triggerSuccess   = "success"
	triggerFailure   = "failure"
	triggerRejection = "unhandledRejection"
)

// lifecycle is the life of one script: load, the event, error, after.
//
// The script is loaded, then the build's event is fired in it. A promise that
// is rejected while nobody listens, at any time, fails the build; the first
// one fires the event error. When nothing is left to do, the event after is
// fired if the event had a handler and nothing failed. An exception that
// reaches the loop any other way ends the script at once.
type lifecycle struct {
	run  brigade.ScriptRun
	host brigade.Host
	now  func() time.Time
	// modules are what the script can import besides brigadier.
	modules []modules.Module

	e       *engine.Engine
	control *brigadier.Control // nil until the script imports brigadier
	result  brigade.ScriptResult
	loaded  bool
	aborted bool           // somebody wants the build to end
	failure *brigade.Error // of a rejection
}

// errAborted ends a script that does not listen to an abort.
var errAborted = &brigade.Error{Code: brigade.CodeCanceled, Message: "the build was canceled"}

// live runs the script to its end.
func (l *lifecycle) live(ctx context.Context, o engine.Options) ending {
	host := stamped{Host: l.host, now: l.now}
	o.Modules = slices.Concat(
		brigadier.Modules(brigadier.Options{Run: l.run, Host: host, Loaded: func(c brigadier.Control) { l.control = &c }}),
		l.modules,
	)
	o.Rejected = l.rejected
	l.e = engine.New(ctx, o)
	defer l.e.Close()
	defer l.watchAbort()()
	l.e.Load(engine.Script{Name: l.run.File, Source: l.run.Script}, l.whenLoaded)
	err := l.e.Wait()
	if err == nil && l.loaded {
		err = l.after()
	}
	return l.conclude(ctx, err)
}

// watchAbort tells the script when somebody wants the build to end, until the
// returned function is called.
func (l *lifecycle) watchAbort() (stop func()) {
	done := make(chan struct{})
	if l.run.Abort != nil {
		go func() {
			select {
			case <-l.run.Abort:
				l.e.Loop().Post(l.abort)
			case <-done:
			}
		}()
	}
	return func() { close(done) }
}

// abort lets a script that listens clean up, and stops any other.
func (l *lifecycle) abort() {
	l.aborted = true
	if l.control == nil || !l.loaded {
		l.e.Stop(errAborted)
		return
	}
	l.e.Do(func() {
		listens, err := l.control.Cancel(errAborted.Message)
		if err != nil {
			l.caught(err)
		}
		if !listens {
			l.e.Stop(errAborted)
		}
	})
}

// whenLoaded fires the build's event, or ends a script that did not load.
func (l *lifecycle) whenLoaded(err error) {
	if err != nil {
		l.e.Stop(err)
		return
	}
	l.loaded = true
	l.e.Do(func() {
		name := l.run.Build.Event.Type
		if l.control == nil {
			l.fired(brigade.Lifecycle{Name: name})
			return
		}
		l.result.Handlers = l.control.Names()
		l.result.Handled = l.control.Has(name) || slices.ContainsFunc(l.run.Build.Event.Also, l.control.Has)
		l.caught(l.control.Fire())
	})
}

// caught treats what a handler threw as a rejection: in v1 the event was fired
// within a promise.
func (l *lifecycle) caught(err error) {
	var t *engine.Thrown
	switch {
	case err == nil:
	case errors.As(err, &t):
		if !l.rejected(t) {
			l.e.Stop(t)
		}
	default:
		l.e.Stop(err)
	}
}

// rejected is told of a rejection nobody handled. The first one is the build's
// failure and fires error; a handler of that which throws ends the script.
func (l *lifecycle) rejected(t *engine.Thrown) bool {
	if l.aborted {
		return true // jobs fail because they were stopped: that is no news
	}
	l.host.Log(brigade.LevelError, l.e.Explain(t))
	if l.failure != nil {
		return true
	}
	l.failure = l.asFailure(t)
	if l.control == nil {
		l.fired(brigade.Lifecycle{Name: "error", Trigger: triggerRejection, Reason: t.Text})
		return true
	}
	if err := l.control.Error(t, triggerRejection); err != nil {
		l.e.Stop(err)
	}
	return true
}

// asFailure is the failure of a build because of what was thrown.
func (l *lifecycle) asFailure(t *engine.Thrown) *brigade.Error {
	e := &brigade.Error{Code: brigade.CodeBuildFailed, Message: t.Text, Err: t.Err}
	var public *brigade.Error
	if errors.As(t.Err, &public) {
		e.Message, e.Hint = strings.TrimPrefix(t.Text, "Error: "), public.Hint
	}
	if e.Message == "" {
		e.Message = "the script failed without saying why"
	}
	return e
}

// after is called when nothing is left to do. It fires the event after, and
// lets the script finish what that and process's beforeExit begin.
func (l *lifecycle) after() error {
	fire := l.result.Handled && l.failure == nil && !l.aborted
	for {
		l.e.EmitExit("beforeExit", l.exitCode())
		if fire && l.failure == nil {
			fire = false
			trigger := triggerSuccess
			if l.exitCode() != 0 {
				trigger = triggerFailure
			}
			l.e.Do(func() {
				if err := l.control.After(trigger); err != nil {
					l.e.Stop(err)
				}
			})
		}
		worked, err := l.e.Again()
		if err != nil {
			return err
		}
		if !worked {
			l.e.EmitExit("exit", l.exitCode())
			return nil
		}
	}
}

// exitCode is the script's own, at least 1 when the build failed.
func (l *lifecycle) exitCode() int {
	code := l.e.ExitCode(0)
	if code == 0 && l.failure != nil {
		return 1
	}
	return code
}

// conclude makes the answer of how the script ended.
func (l *lifecycle) conclude(ctx context.Context, err error) ending {
	var (
		exit   *engine.Exit
		thrown *engine.Thrown
		public *brigade.Error
	)
	result := l.result
	if l.aborted && ctx.Err() == nil && (err == nil || errors.Is(err, errAborted)) {
		result, err := failed(errAborted)
		return ending{result, err}
	}
	switch {
	case err == nil:
		result.Failure, result.ExitCode = l.failure, l.exitCode()
		if result.Failure == nil && result.ExitCode != 0 {
			result.Failure = exited("set process.exitCode to %d", result.ExitCode)
		}
		return ending{result: result}
	case ctx.Err() != nil:
		result, err := failed(stopped(context.Cause(ctx)))
		return ending{result, err}
	case errors.As(err, &exit):
		if result.ExitCode = exit.Code & 0xff; result.ExitCode != 0 {
			result.Failure = exited("called process.exit(%d)", exit.Code)
		}
		return ending{result: result}
	case errors.As(err, &thrown):
		result.ExitCode = 1
		if !l.loaded {
			result.Failure = l.loadFailure(thrown)
			result.ExitCode = result.Failure.Code.ExitCode()
			return ending{result: result}
		}
		l.host.Log(brigade.LevelError, l.e.Explain(thrown))
		if result.Failure = l.failure; result.Failure == nil {
			result.Failure = l.asFailure(thrown)
		}
		return ending{result: result}
	case errors.Is(err, engine.ErrUnsettled):
		result.Failure = &brigade.Error{Code: brigade.CodeScriptLoad, Message: err.Error(),
			Hint: "a promise that the script awaits outside all functions is never settled"}
		result.ExitCode = result.Failure.Code.ExitCode()
		return ending{result: result}
	case errors.As(err, &public):
		result.Failure, result.ExitCode = public, public.Code.ExitCode()
		if public.Code == brigade.CodeScriptLimit && l.loadedOrRan() || public.Code == brigade.CodeScriptCrashed {
			return ending{result, public}
		}
		return ending{result: result}
	}
	public = &brigade.Error{Code: brigade.CodeInternal, Message: "the script failed", Err: err}
	result.Failure, result.ExitCode = public, public.Code.ExitCode()
	return ending{result, public}
}

// loadedOrRan reports whether a limit was hit by running and not by its size.
func (l *lifecycle) loadedOrRan() bool { return len(l.run.Script) <= brigade.MaxScriptBytes }

// loadFailure is the failure of a script whose top-level code threw.
func (l *lifecycle) loadFailure(t *engine.Thrown) *brigade.Error {
	var public *brigade.Error
	if errors.As(t.Err, &public) && (public.Code == brigade.CodeModule || public.Code == brigade.CodeScriptLoad) {
		c := *public
		if public.Code == brigade.CodeModule {
			c.Message = l.e.Locate(c.Message, t)
		}
		return &c
	}
	return &brigade.Error{Code: brigade.CodeScriptLoad, Message: l.e.Explain(t), Err: t.Err}
}

func (l *lifecycle) fired(event brigade.Lifecycle) {
	stamped{Host: l.host, now: l.now}.Fired(event)
}

// stamped gives lifecycle events their time.
type stamped struct {
	brigade.Host
	now func() time.Time
}

// Fired passes the event on.
func (s stamped) Fired(l brigade.Lifecycle) {
	l.Time = s.now()
	s.Host.Fired(l)
}
