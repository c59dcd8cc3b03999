package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

var (
	asyncType  = reflect.TypeFor[modules.Async]()
	errorType  = reflect.TypeFor[error]()
	bytesType  = reflect.TypeFor[[]byte]()
	valueType  = reflect.TypeFor[goja.Value]()
	bufferType = reflect.TypeFor[goja.ArrayBuffer]()
)

// native makes a JavaScript function of a Go function, as modules.Module.Native
// describes it. Missing arguments are zero values, more than it takes are
// dropped.
func (e *Engine) native(name string, f reflect.Value) goja.Value {
	t := f.Type()
	fixed := t.NumIn()
	if t.IsVariadic() {
		fixed--
	}
	fn := e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		in := make([]reflect.Value, 0, max(fixed, len(call.Arguments)))
		for i := range fixed {
			in = append(in, e.argument(call.Argument(i), t.In(i)))
		}
		if t.IsVariadic() {
			for i := fixed; i < len(call.Arguments); i++ {
				in = append(in, e.argument(call.Arguments[i], t.In(fixed).Elem()))
			}
		}
		e.depth++
		defer func() { e.depth-- }()
		return e.results(f.Call(in))
	}).(*goja.Object)
	e.define(fn, "name", e.vm.ToValue(name))
	e.define(fn, "length", e.vm.ToValue(fixed))
	return fn
}

func (e *Engine) define(obj *goja.Object, name string, v goja.Value) {
	if err := obj.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_FALSE, goja.FLAG_TRUE); err != nil {
		panic(err)
	}
}

// results converts what a Go function returned; a last error becomes an exception.
func (e *Engine) results(out []reflect.Value) goja.Value {
	if n := len(out); n > 0 && out[n-1].Type() == errorType {
		if err, _ := out[n-1].Interface().(error); err != nil {
			panic(e.errorToJS(err))
		}
		out = out[:n-1]
	}
	if len(out) == 0 {
		return goja.Undefined()
	}
	if out[0].Type() == bytesType {
		return e.bytesToJS(out[0].Bytes())
	}
	return e.toJS(out[0].Interface())
}

// callback is a JavaScript function for Go code to call on the loop. Called by
// a native function, an exception goes on through it into the script.
func (e *Engine) callback(call goja.Callable) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		v, err := e.call(call, args...)
		if err != nil {
			return nil, err
		}
		return e.fromJS(v), nil
	}
}

// call calls a function of the script. The error is a *Thrown, or says that
// the script was ended.
func (e *Engine) call(call goja.Callable, args ...any) (v goja.Value, err error) {
	if e.ended() {
		return nil, e.end
	}
	in := make([]goja.Value, len(args))
	for i, a := range args {
		in[i] = e.toJS(a)
	}
	nested := e.depth > 0
	defer func() {
		if x := recover(); x != nil && !nested {
			err = e.crashed(x)
		} else if x != nil {
			panic(x)
		}
	}()
	v, err = call(goja.Undefined(), in...)
	if err != nil && nested {
		panic(err)
	}
	return v, e.failed(err)
}

// funcArgument makes a Go function of type to, which takes …any and returns
// nothing, any, or any and error. An exception in one that returns no error,
// called by the loop and not by the script, is an uncaught exception.
func (e *Engine) funcArgument(v goja.Value, to reflect.Type) reflect.Value {
	call, ok := goja.AssertFunction(v)
	if !ok {
		panic(e.vm.NewTypeError("expected a function"))
	}
	f := func(args ...any) (any, error) {
		out, err := e.call(call, args...)
		if err != nil {
			return nil, err
		}
		if to.NumOut() > 0 && to.Out(0) == valueType {
			return out, nil
		}
		return e.fromJS(out), nil
	}
	switch fn := reflect.New(to).Interface().(type) {
	case *func(...any):
		*fn = func(args ...any) { e.uncaughtError(onlyError(f(args...))) }
		return reflect.ValueOf(fn).Elem()
	case *func():
		*fn = func() { e.uncaughtError(onlyError(f())) }
		return reflect.ValueOf(fn).Elem()
	case *func(...any) any:
		*fn = func(args ...any) any {
			out, err := f(args...)
			e.uncaughtError(err)
			return out
		}
		return reflect.ValueOf(fn).Elem()
	case *func(...any) (any, error):
		*fn = f
		return reflect.ValueOf(fn).Elem()
	}
	panic(e.vm.NewTypeError("a Go function of type %s cannot be a callback", to))
}

func onlyError(_ any, err error) error { return err }

// promise starts work and returns the promise it settles. While it runs the
// script is not over.
func (e *Engine) promise(work modules.Async) goja.Value {
	p, resolve, reject := e.vm.NewPromise()
	release := e.loop.Hold()
	go func() {
		defer release()
		v, err := runAsync(e.loop.Context(), work)
		e.loop.Post(func() { e.settle(v, err, resolve, reject) })
	}()
	return e.vm.ToValue(p)
}

// runAsync runs work; a panic in it is an error.
func runAsync(ctx context.Context, work modules.Async) (v any, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("internal error: %v", x)
		}
	}()
	return work(ctx)
}

func (e *Engine) settle(v any, err error, resolve, reject func(any) error) {
	if e.ended() {
		return
	}
	defer func() {
		if x := recover(); x != nil {
			e.uncaughtError(e.crashed(x))
		}
	}()
	var settled error
	if err != nil {
		settled = reject(e.errorToJS(err))
	} else {
		var js goja.Value
		if ex := e.vm.Try(func() { js = e.toJS(v) }); ex != nil {
			settled = reject(ex.Value())
		} else {
			settled = resolve(js)
		}
	}
	e.uncaughtError(e.failed(settled))
}

// errnos are the numbers Node gives to the usual codes (those of Linux).
var errnos = map[string]int{
	"EPERM": -1, "ENOENT": -2, "EIO": -5, "EBADF": -9, "EAGAIN": -11, "EACCES": -13, "EEXIST": -17,
	"ENOTDIR": -20, "EISDIR": -21, "EINVAL": -22, "EMFILE": -24, "ENOSPC": -28, "EROFS": -30, "EPIPE": -32,
	"ENAMETOOLONG": -36, "ENOTEMPTY": -39, "ELOOP": -40, "ECONNRESET": -104, "ETIMEDOUT": -110,
	"ECONNREFUSED": -111, "EHOSTUNREACH": -113, "ENOTFOUND": -3008,
}

// errorToJS makes an Error object of a Go error. A *Thrown is the value that
// was thrown; the fields of a *modules.SysError, and what a method Fields
// returns, become its properties, as does a *brigade.Error's code; the Go error
// stays reachable for thrown.
func (e *Engine) errorToJS(err error) goja.Value {
	var thrown *Thrown
	if errors.As(err, &thrown) && thrown.value != nil {
		return thrown.value
	}
	obj, newErr := e.vm.New(e.errorClass, e.vm.ToValue(err.Error()))
	if newErr != nil {
		panic(newErr)
	}
	var public *brigade.Error
	if errors.As(err, &public) {
		_ = obj.Set("code", string(public.Code))
	}
	var more interface{ Fields() map[string]any }
	if errors.As(err, &more) {
		fields := more.Fields()
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			_ = obj.Set(name, e.toJS(fields[name]))
		}
	}
	var sys *modules.SysError
	if errors.As(err, &sys) {
		if n, ok := errnos[sys.Code]; ok {
			_ = obj.Set("errno", n)
		}
		for _, field := range [][2]string{{"code", sys.Code}, {"syscall", sys.Syscall}, {"path", sys.Path}} {
			if field[1] != "" {
				_ = obj.Set(field[0], field[1])
			}
		}
	}
	e.remember(obj, err)
	return obj
}

// remember ties a Go error to the Error object made of it.
func (e *Engine) remember(obj *goja.Object, err error) {
	_ = obj.DefineDataPropertySymbol(e.goError, e.vm.ToValue(&goErrorBox{err}), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
}

type goErrorBox struct{ err error }
