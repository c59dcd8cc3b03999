// Package modules holds what a script can import besides its own files and
// npm packages: one file per module, listed in all.go. A module is a CommonJS
// text, embedded, and the Go functions it is handed; it knows nothing of the
// JavaScript engine.
package modules

import (
	"context"
	"net/http"
	"time"
)

// Module is one module a script can import.
type Module struct {
	// Names are the names it is imported by, the first being its own
	// ("fs"); "node:fs" is understood without being listed when Node is set.
	Names []string
	Node  bool
	// Internal modules are parts of other modules: only the modules of this
	// package may import them.
	Internal bool
	// Source is its CommonJS text: a function body that sees exports, require
	// (of the modules of this package only), module, native, what Native
	// returned, and engine, the four functions that only the engine can give:
	//
	//	proxy(value)      undefined, or [target, handler] of a Proxy ([null, null] once revoked)
	//	promise(value)    undefined, or [state, result] of a Promise; the state is
	//	                  "pending", "fulfilled" or "rejected"
	//	context()         the value that setContext was last given in this chain of
	//	                  asynchronous calls; promise reactions and awaits carry it
	//	setContext(value) sets it
	//
	// It is sloppy-mode text that says "use strict" itself where it wants that,
	// and uses no async generator and no for-await.
	//
	// The exports of "process", once loaded, are the EventEmitter on which the
	// engine emits "beforeExit" and "exit" (code), "uncaughtException" (error,
	// origin) and "unhandledRejection" (reason, promise); emit returns whether
	// somebody listens. Its exitCode is the script's, undefined when not set.
	Source string
	// Native returns the Go side: functions and plain values. It is called
	// once per script that imports the module; nil when there is none.
	//
	// Functions take and return string, bool, int, int64, float64, []byte
	// (a Uint8Array in JavaScript), map[string]any, []any, any, and take
	// callbacks as func(…any); a last result of type error becomes an
	// exception. The exception is an Error with the fields code, errno,
	// syscall and path when the error is a *SysError. A function that returns
	// Async returns a promise in JavaScript.
	Native func(env *Env) map[string]any
	// Globals names the global variables this module provides: variable →
	// name of the export it is, "" for module.exports itself. The module is
	// loaded when the script first reads one of them; until then it is a getter,
	// afterwards a plain, writable, configurable and not enumerable value. The
	// variable may be a path to a property of a built-in object:
	// "Date.prototype.toLocaleString".
	Globals map[string]string
}

// Async is work that is done outside the loop. It runs in a goroutine of its
// own and settles a promise with what it returns; while it runs the script is
// not over.
type Async func(ctx context.Context) (any, error)

// SysError is an error with the fields that Node's system errors have.
type SysError struct {
	Code    string // ENOENT …
	Syscall string // open …
	Path    string
	Message string
}

// Error returns the message.
func (e *SysError) Error() string { return e.Message }

// Env is what the modules of one script share.
type Env struct {
	Loop   Loop
	Vars   map[string]string // process.env
	Args   []string          // process.argv
	Dir    string            // process.cwd(), the root of relative paths
	Roots  []string          // directories below which fs may read
	HTTP   *http.Client      // for http, https and fetch
	Now    func() time.Time
	Stdout func(text string) // a complete console line, without line end
	Stderr func(text string)
	// Console takes what console prints, one call per call, maybe of many lines,
	// without the last line end. The levels are log, info, debug, warn, error
	// and trace. Nil: Stdout for the first three, Stderr for the others.
	Console func(level, text string)
	// Tick runs f on the loop once the callback that runs now has returned, and
	// before promise reactions: process.nextTick. Only for the loop's goroutine.
	Tick func(f func())
	// Exit ends the script with that code at once: no catch or finally runs.
	Exit func(code int)
}

// Loop is what modules may ask of the event loop. Only Post may be called
// from other goroutines than the loop's own.
type Loop interface {
	// Hold keeps the loop alive until release is called, once, from anywhere.
	Hold() (release func())
	// Post runs f on the loop's goroutine, soon. False: the loop has ended and
	// f will not run.
	Post(f func()) bool
	// After runs f on the loop after d, and keeps the loop alive until then
	// unless unref is set. Stop makes it forget f.
	After(d time.Duration, unref bool, f func()) (stop func())
	// Immediate runs f once the callbacks that are due now have run.
	Immediate(f func()) (stop func())
	// Context ends when the loop ends.
	Context() context.Context
}
