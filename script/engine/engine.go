// Package engine runs JavaScript and TypeScript for the rest of script: it is
// the home of the JavaScript engine and of the bundler, and nothing outside
// knows which ones these are. It offers an event loop, CommonJS modules with
// Node's resolution, built-in modules written as modules.Module, and errors
// with the positions of the source as it was written.
package engine

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/loop"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// Defaults of Options.
const (
	DefaultTurn     = time.Minute
	DefaultMaxStack = 5000 // frames
)

// Options configure an Engine. Every field may be left empty.
type Options struct {
	// Modules are the built-in modules; the first of a name wins.
	Modules []modules.Module
	// Env is what the built-in modules get. New fills in Loop, and what is
	// missing with harmless values; Exit is set unless it was.
	Env *modules.Env
	// Root is the directory of the script's own modules, Packages a
	// node_modules directory besides those that are found upward from a file.
	// Files outside both are not loaded.
	Root, Packages string
	// Cache keeps compiled files between engines. nil: a cache of its own.
	Cache *Cache
	// Turn is the longest time a callback may take; MaxStack the deepest
	// recursion.
	Turn     time.Duration
	MaxStack int
	// Expired is told, from a goroutine of its own, that a turn took too long
	// and that the script was therefore interrupted. It may be nil.
	Expired func()
	// Clock is the time of timers; nil for the machine's.
	Clock loop.Clock
	// Uncaught is told of exceptions nobody caught, on the loop, and Rejected
	// of promises that were rejected while nobody listened. When they are nil
	// or answer false, the script ends with that error.
	Uncaught func(t *Thrown) bool
	Rejected func(t *Thrown) bool
}

// Engine is one script's JavaScript world. It is not safe for concurrent use:
// whoever calls New, Load, RunString and Wait is the loop's goroutine. In a
// test of a built-in module:
//
//	e := engine.New(ctx, engine.Options{Modules: []modules.Module{fs}, Env: &modules.Env{Dir: dir}})
//	defer e.Close()
//	if err := e.RunString("test.js", src); err == nil { err = e.Wait() }
type Engine struct {
	opts   Options
	vm     *goja.Runtime
	loop   *loop.Loop
	env    *modules.Env
	loader *loader
	cache  *Cache

	depth      int // of native functions that run now
	uint8Array goja.Value
	errorClass goja.Value
	isView     goja.Callable
	goError    *goja.Symbol

	rejected  []*goja.Promise // in order, not yet reported
	ticks     []func()        // to run before promise reactions
	outer     goja.Callable   // calls a function from inside the script's world
	lastMatch goja.Callable   // has the RegExp of the script remember matches
	handler   goja.Value      // makes a handler of rejections tidy what it is given
	tidied    goja.Value      // tidy for the script; it returns its argument
	async     asyncContext
	exiting   bool
	turning   bool
	loading   bool  // the main script has not finished loading
	end       error // why the script ended early; see finish
	killed    atomic.Pointer[error]
	turns     watchdog
	unwatch   func() bool
}

// Exit is the error of a script that ended itself with process.exit.
type Exit struct{ Code int }

// Error names the exit code.
func (e *Exit) Error() string { return fmt.Sprintf("the script called process.exit(%d)", e.Code) }

// ErrUnsettled is what Wait returns when nothing is left to do but the script's
// top-level await never came to an end.
var ErrUnsettled = errors.New("the script waits at its top level for something that never happens")

//go:embed polyfill.js
var polyfillSource string

var polyfill = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("brigade:polyfill", polyfillSource, false)
})

// outerCall is a function of the script's world that calls another. What it
// calls does not return to Go in between, so that promise reactions wait.
var outerCall = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("brigade:turn", "(function (f) { f(); })", true)
})

// New makes an engine whose script is stopped at once when ctx ends. Call Close
// when done.
func New(ctx context.Context, opts Options) *Engine {
	e := &Engine{opts: opts, vm: goja.New(), cache: opts.Cache, env: opts.Env}
	if e.cache == nil {
		e.cache = NewCache()
	}
	if e.opts.Turn <= 0 {
		e.opts.Turn = DefaultTurn
	}
	if e.opts.MaxStack <= 0 {
		e.opts.MaxStack = DefaultMaxStack
	}
	e.loop = loop.New(loop.Options{Around: func(f func()) { e.turn(f) }, Clock: opts.Clock})
	e.fillEnv()
	e.vm.SetMaxCallStackSize(e.opts.MaxStack)
	e.vm.SetPromiseRejectionTracker(e.track)
	e.turns.expired = func() {
		e.kill(errTurn)
		if opts.Expired != nil {
			opts.Expired()
		}
	}
	e.prepareGlobals()
	e.loader = newLoader(e)
	e.unwatch = context.AfterFunc(ctx, func() { e.kill(context.Cause(ctx)) })
	return e
}

func (e *Engine) fillEnv() {
	if e.env == nil {
		e.env = &modules.Env{}
	}
	e.env.Loop = e.loop
	if e.env.Exit == nil {
		e.env.Exit = e.Exit
	}
	if e.env.Tick == nil {
		e.env.Tick = func(f func()) { e.ticks = append(e.ticks, f) }
	}
	if e.env.Now == nil {
		e.env.Now = time.Now
	}
	if e.env.Vars == nil {
		e.env.Vars = map[string]string{}
	}
	discard := func(string) {}
	if e.env.Stdout == nil {
		e.env.Stdout = discard
	}
	if e.env.Stderr == nil {
		e.env.Stderr = discard
	}
}

func (e *Engine) prepareGlobals() {
	// Symbol.asyncIterator has to exist before anything asks for it.
	e.vm.Get("Symbol").(*goja.Object).DefineDataProperty("asyncIterator",
		goja.NewSymbol("Symbol.asyncIterator"), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	e.uint8Array = e.vm.Get("Uint8Array")
	e.errorClass = e.vm.Get("Error")
	e.isView, _ = goja.AssertFunction(e.vm.Get("ArrayBuffer").(*goja.Object).Get("isView"))
	e.goError = goja.NewSymbol("brigade.error")
	e.vm.SetAsyncContextTracker(&e.async)
	global := e.vm.GlobalObject()
	e.define(global, "global", global)
	outer, err := e.vm.RunProgram(outerCall())
	if err != nil {
		panic(fmt.Sprintf("the engine does not start: %v", err))
	}
	e.outer, _ = goja.AssertFunction(outer)
	install, err := e.vm.RunProgram(polyfill())
	if err != nil {
		panic(fmt.Sprintf("the polyfills do not run: %v", err)) // a bug of ours, found by any test
	}
	call, _ := goja.AssertFunction(install)
	e.tidied = e.vm.ToValue(func(call goja.FunctionCall) goja.Value { e.tidy(call.Argument(0)); return call.Argument(0) })
	if e.handler, err = call(goja.Undefined(), e.native("cleanStack", reflect.ValueOf(cleanStack)),
		e.native("checkJSON", reflect.ValueOf(checkJSON)), e.native("jsonMistake", reflect.ValueOf(jsonMistake)), e.tidied); err != nil {
		panic(fmt.Sprintf("the polyfills do not run: %v", err))
	}
	e.prepareRegExp()
}

// Exit ends the script with that code. Called by a native function, the script
// does not get to run another statement, finally blocks included, but for the
// listeners of the exit event.
func (e *Engine) Exit(code int) {
	if e.exiting || e.ended() {
		e.finish(&Exit{Code: code})
		return
	}
	e.exiting = true
	e.emitProcess("exit", e.vm.ToValue(code))
	e.finish(&Exit{Code: code})
}

// finish ends the script because of err; only the first time counts.
func (e *Engine) finish(err error) {
	if e.end == nil {
		e.end = err
	}
	e.kill(err)
}

// kill stops the script from any goroutine; e.end is set by the loop's own.
func (e *Engine) kill(err error) {
	e.killed.CompareAndSwap(nil, &err)
	e.vm.Interrupt(err)
	e.loop.Stop()
}

func (e *Engine) ended() bool {
	if cause := e.killed.Load(); e.end == nil && cause != nil {
		if e.end = *cause; e.end == errTurn {
			e.end = e.turnError("")
		}
	}
	return e.end != nil
}

// Close frees what the script held: work in goroutines is told to stop.
func (e *Engine) Close() {
	e.unwatch()
	e.turns.end()
	e.loop.Close()
}

// Loop returns the event loop, for work that belongs to the script.
func (e *Engine) Loop() modules.Loop { return e.loop }

// turn runs a callback of the loop, given in steps with promise reactions in
// between: under the watchdog, then what was put off until after it, and with
// the rejections it leaves behind reported. Within a turn it only runs f.
func (e *Engine) turn(steps ...func()) {
	if e.turning {
		for _, f := range steps {
			f()
		}
		return
	}
	e.turning = true
	e.turns.begin(e.opts.Turn)
	defer func() {
		if x := recover(); x != nil {
			e.finish(e.crashed(x))
		}
		e.turns.end()
		e.turning = false
	}()
	for _, f := range steps {
		e.inside(f)
	}
	for {
		for len(e.ticks) > 0 && !e.ended() {
			e.inside(func() {})
		}
		if len(e.rejected) == 0 || e.ended() {
			return
		}
		e.inside(e.reportRejections)
	}
}

// inside calls f and then the ticks, before any promise reaction gets to run;
// when it returns these have run, too.
func (e *Engine) inside(f func()) {
	_, err := e.outer(goja.Undefined(), e.vm.ToValue(func(goja.FunctionCall) goja.Value {
		f()
		for len(e.ticks) > 0 && !e.ended() {
			next := e.ticks[0]
			e.ticks = e.ticks[1:]
			next()
		}
		return goja.Undefined()
	}))
	var overflow *goja.StackOverflowError
	if errors.As(err, &overflow) {
		e.reject(e.overflowed(overflow).(*Thrown)) // it was a promise reaction: a callback's own comes back to f
		return
	}
	if err != nil {
		e.uncaughtError(e.failed(err))
	}
}

// RunString runs src as the main script. The error is that of its top-level
// code; when the script waits at its top level, that error comes from Wait.
func (e *Engine) RunString(name, src string) error {
	var failed error
	e.Load(Script{Name: name, Source: src}, func(err error) {
		if failed = err; err != nil {
			e.finish(err)
		}
	})
	return failed
}

// Script is the main script.
type Script struct {
	// Name is its file's name, absolute or relative to Options.Root; its
	// ending says how it is to be read.
	Name   string
	Source string
}

// Load runs the main script and calls loaded, on the loop's goroutine, once
// its top-level code is over: with its error, a *Thrown or a *brigade.Error, or nil.
func (e *Engine) Load(s Script, loaded func(error)) {
	e.loading = true
	done := func(err error) {
		if e.loading {
			e.loading = false
			loaded(err)
		}
	}
	var (
		exports entry
		err     error
	)
	e.turn(func() { exports, err = e.loader.runMain(s) }, func() {
		if err == nil && exports.pending != nil {
			e.then(exports.pending, done)
			return
		}
		done(err)
	})
	if e.ended() {
		done(e.end)
	}
}

// then calls done once p is settled.
func (e *Engine) then(p *goja.Object, done func(error)) {
	then, _ := goja.AssertFunction(p.Get("then"))
	_, err := then(p,
		e.vm.ToValue(func(goja.FunctionCall) goja.Value { e.loop.Post(func() { done(nil) }); return goja.Undefined() }),
		e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
			t := e.thrown(call.Argument(0))
			e.loop.Post(func() { done(t) })
			return goja.Undefined()
		}))
	if err != nil {
		done(e.failed(err))
	}
}

// Wait runs the loop until the script has nothing left to do. The error says
// why it ended before: *Exit, *Thrown, ErrUnsettled, a *brigade.Error of
// CodeScriptLimit, or the context's.
func (e *Engine) Wait() error {
	if !e.ended() {
		_ = e.loop.Run() // ErrStopped comes with e.end
	}
	if e.ended() {
		return e.end
	}
	if e.loading {
		return ErrUnsettled
	}
	return nil
}

// Do runs f as a callback of the loop would run.
func (e *Engine) Do(f func()) { e.turn(f) }

// Stop ends the script with that error, which Wait returns.
func (e *Engine) Stop(err error) { e.finish(err) }

// Again runs the loop on after Wait returned nil, and reports whether there
// was something to do.
func (e *Engine) Again() (worked bool, err error) {
	if !e.ended() {
		if worked = !e.loop.Idle(); worked {
			_ = e.loop.Run()
		}
	}
	if e.ended() {
		return worked, e.end
	}
	return worked, nil
}

// crashed makes an error of a panic that came out of the engine.
func (e *Engine) crashed(x any) error {
	switch x := x.(type) {
	case goja.Value:
		return e.thrown(x)
	case *goja.Exception:
		return e.failed(x)
	case error:
		var interrupted *goja.InterruptedError
		if errors.As(x, &interrupted) {
			return e.failed(x)
		}
	}
	return &brigade.Error{
		Code:    brigade.CodeScriptCrashed,
		Message: fmt.Sprintf("the script broke the JavaScript engine: %v", x),
		Hint:    "this is a bug in brig or in the script's data; the script was stopped",
		Err:     fmt.Errorf("%v\n%s", x, debug.Stack()),
	}
}

// Main is what the main script exports so far, for handing it to a function of
// the script's; nil before it runs.
func (e *Engine) Main() any {
	if e.loader.main == nil {
		return nil
	}
	return e.loader.main.Get("exports")
}

// Use loads the built-in module of that name, as if the script had imported it.
func (e *Engine) Use(name string) error {
	b := e.loader.builtins[name]
	if b == nil {
		return fmt.Errorf("there is no built-in module %q", name)
	}
	ex := e.vm.Try(func() { e.loader.requireBuiltin(b) })
	if ex != nil {
		return e.failed(ex)
	}
	return nil
}
