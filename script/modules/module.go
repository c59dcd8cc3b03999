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
	// Source is its CommonJS text: a function body that sees exports, require,
	// module, and native, what Native returned.
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
	// loaded when the script first reads one of them.
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
