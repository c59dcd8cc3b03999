// Package scripttest plays a script's handlers: it runs the tests that people
// write in JavaScript beside their brigade.js. Such a test fires an event in
// the real script, whose jobs only play what the test says of them, and looks
// at what the build did.
//
// The test runs in an engine of its own, every build in another one, by the
// same worker that runs builds. A played build has its own time, see stage.
package scripttest

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/script/engine"

	_ "embed"
)

// Types are the TypeScript declarations of the module that tests import.
//
//go:embed test.d.ts
var Types string

// Name is what tests import it by.
const Name = "brigade/test"

// Options configure a Runner.
type Options struct {
	// Dir is where tests, script and their local modules are.
	Dir string
	// Script is the script's text and File its name below Dir.
	Script, File string
	// Modules is a node_modules directory for script and tests, "" for none.
	Modules string
	// HTTP is what scripts make requests with; nil for any request.
	HTTP *http.Client
	// Limit is the longest a test may take; default 30 s.
	Limit time.Duration
	// Filter selects tests by name; nil selects all.
	Filter *regexp.Regexp
	// Tested is told of every test that is over. It may be nil.
	Tested func(file string, t Test)
	// Now is the clock by which tests are timed; nil for the machine's.
	Now func() time.Time
}

// DefaultLimit is how long a test may take.
const DefaultLimit = 30 * time.Second

// State is what became of a test.
type State string

// The states.
const (
	Passed  State = "passed"
	Failed  State = "failed"
	Skipped State = "skipped"
)

// Test is a test that is over.
type Test struct {
	Name    string   `json:"name"`
	State   State    `json:"state"`
	Millis  int64    `json:"milliseconds"`
	Message string   `json:"message,omitempty"` // why it failed, of several lines maybe
	File    string   `json:"file,omitempty"`    // where it failed, relative to Dir
	Line    int      `json:"line,omitempty"`    // counts from 1
	Column  int      `json:"column,omitempty"`
	Source  string   `json:"source,omitempty"` // that line
	Log     []string `json:"log,omitempty"`    // what it and its builds printed
}

// File is a file of tests that were run.
type File struct {
	Path  string `json:"path"`
	Tests []Test `json:"tests"`
	// Failure says why its tests could not be run: it does not load.
	Failure *brigade.Error `json:"failure,omitempty"`
}

// Count is how many tests ended so.
func (f File) Count(s State) (n int) {
	for _, t := range f.Tests {
		if t.State == s {
			n++
		}
	}
	return n
}

// Runner runs test files, one after another.
type Runner struct {
	opts   Options
	worker *script.Worker
	cache  *engine.Cache
}

// New returns a runner.
func New(o Options) *Runner {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tested == nil {
		o.Tested = func(string, Test) {}
	}
	return &Runner{opts: o, worker: script.New(script.Options{HTTP: o.HTTP}), cache: engine.NewCache()}
}

// Run runs the tests of a file, whose name is relative to Dir. The error is
// the context's; what is wrong with the file is in the answer.
//
// A test that hangs, or that ends the engine, fails; those after it run in a
// fresh engine, for which the file is loaded again.
func (r *Runner) Run(ctx context.Context, path, source string) (File, error) {
	f := File{Path: path, Tests: []Test{}}
	for from := 0; ; {
		s := &session{r: r, path: path, source: source, from: from, running: -1}
		over := s.play(ctx)
		f.Tests = append(f.Tests, s.tests...)
		if err := ctx.Err(); err != nil {
			return f, context.Cause(ctx)
		}
		if s.failure != nil {
			f.Failure = s.failure
		}
		if over {
			return f, nil
		}
		from = s.running + 1
	}
}
