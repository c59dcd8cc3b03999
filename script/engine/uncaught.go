package engine

import (
	"errors"

	"github.com/dop251/goja"
)

// track is told of rejected promises without a handler, and of handlers that
// come later.
func (e *Engine) track(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionReject {
		e.rejected = append(e.rejected, p)
		return
	}
	for i, known := range e.rejected {
		if known == p {
			e.rejected = append(e.rejected[:i], e.rejected[i+1:]...)
			return
		}
	}
}

func (e *Engine) reportRejections() {
	list := e.rejected
	e.rejected = nil
	for _, p := range list {
		if e.ended() {
			return
		}
		t := e.thrown(p.Result())
		if e.emitProcess("unhandledRejection", p.Result(), e.vm.ToValue(p)) && e.opts.Rejected == nil {
			continue
		}
		e.reject(t)
	}
}

// uncaughtError ends the script because of an exception that reached the loop.
func (e *Engine) uncaughtError(err error) {
	var t *Thrown
	switch {
	case err == nil || e.ended():
	case !errors.As(err, &t):
		e.finish(err)
	case e.emitProcess("uncaughtException", t.value, e.vm.ToValue("uncaughtException")):
	case e.opts.Uncaught != nil && e.opts.Uncaught(t):
	default:
		e.finish(t)
	}
}

// emitProcess emits an event of the global process object, if the script has
// loaded that and listens.
func (e *Engine) emitProcess(event string, args ...goja.Value) (heard bool) {
	process := e.loader.loadedBuiltin("process")
	if process == nil {
		return false
	}
	emit, ok := goja.AssertFunction(process.Get("emit"))
	if !ok {
		return false
	}
	in := append([]goja.Value{e.vm.ToValue(event)}, args...)
	v, err := emit(process, in...)
	if err != nil {
		e.finish(e.failed(err))
		return true
	}
	return v.ToBoolean()
}

// EmitExit emits beforeExit or exit on the script's process object. The code
// is what process.exitCode says, or code when it is not set.
func (e *Engine) EmitExit(event string, code int) {
	e.turn(func() { e.emitProcess(event, e.vm.ToValue(e.ExitCode(code))) })
}

// ExitCode is the script's process.exitCode, or unset when it set none.
func (e *Engine) ExitCode(unset int) int {
	process := e.loader.loadedBuiltin("process")
	if process == nil {
		return unset
	}
	code := process.Get("exitCode")
	if code == nil || goja.IsUndefined(code) || goja.IsNull(code) {
		return unset
	}
	return int(code.ToInteger()) & 0xff
}

// reject reports a rejection that nobody handled.
func (e *Engine) reject(t *Thrown) {
	if e.opts.Rejected == nil || !e.opts.Rejected(t) {
		e.finish(t)
	}
}
