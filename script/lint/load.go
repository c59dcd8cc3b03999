package lint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/script"
)

// loadEvent is fired in the script, which has no handler for it.
const loadEvent = "brigade:lint"

// afterLoad is how long timers and requests of the script's top level may go
// on once it is loaded.
const afterLoad = 2 * time.Second

// load runs the script's top-level code and nothing else. It reports whether
// the script loads; why it does not is a finding.
func (c *checker) load(ctx context.Context) (loaded bool, err error) {
	project := c.opts.Project
	if project == nil {
		project = brigade.NewProject("lint")
	}
	run := brigade.ScriptRun{
		Build:   &brigade.Build{ID: "01000000000000000000000000", Project: project.Name, Event: brigade.Event{Type: loadEvent, Provider: "brigade-cli"}},
		Project: project, Script: c.opts.Script, File: c.opts.File, Root: c.opts.Root, Modules: c.opts.Modules, Env: c.opts.Env,
		Limits: brigade.ScriptLimits{Turn: c.opts.Patience, Wall: c.opts.Patience},
	}
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	h := &listener{loaded: func() { time.AfterFunc(afterLoad, func() { stop(errLoaded) }) }}
	result, err := script.New(script.Options{}).RunScript(within, run, h)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.warnings {
		if m := oddity.FindStringSubmatch(line); m != nil {
			c.add(Finding{File: m[1], Line: number(m[2]), Level: Warning, Code: "engine", Message: m[3]})
		}
	}
	for _, name := range h.jobs {
		c.add(Finding{File: c.opts.File, Level: Warning, Code: "job-at-load",
			Message: fmt.Sprintf("job %q is started while the script loads: it runs whatever happens", name),
			Hint:    "start jobs in handlers"})
	}
	if h.fired {
		c.handlers = result.Handlers
		c.handlersKnown = err == nil || !errors.Is(context.Cause(within), errLoaded)
		return true, nil
	}
	switch {
	case result.Failure != nil:
		c.add(failureOf(c.opts.File, result.Failure))
	case err != nil:
		c.add(failureOf(c.opts.File, err))
	case result.ExitCode == 0: // it called process.exit(0)
		c.add(Finding{File: c.opts.File, Level: Error, Code: "load", Message: "the script ends itself while it loads: no event gets to its handlers"})
	}
	return false, nil
}

var errLoaded = errors.New("the script is loaded")

// oddity matches what the worker warns of in a script.
var oddity = lazyregexp.New(`^([^\s:]+\.[cm]?[jt]sx?):(\d+): (.*)$`)

// listener is the host of a script that is only loaded.
type listener struct {
	loaded func()

	mu       sync.Mutex
	fired    bool
	jobs     []string
	warnings []string
}

var _ brigade.Host = (*listener)(nil)

// RunJob runs no job and says that it has succeeded.
func (h *listener) RunJob(_ context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jobs = append(h.jobs, spec.Name)
	return brigade.JobResult{JobID: spec.Name + "-lint"}, nil
}

// JobLog is empty.
func (h *listener) JobLog(context.Context, string) (string, error) { return "", nil }

// Log keeps warnings.
func (h *listener) Log(level brigade.LogLevel, text string) {
	if level == brigade.LevelWarn {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.warnings = append(h.warnings, text)
	}
}

// Fired is told when the script is loaded.
func (h *listener) Fired(l brigade.Lifecycle) {
	h.mu.Lock()
	first := !h.fired && l.Name == loadEvent
	h.fired = h.fired || first
	h.mu.Unlock()
	if first {
		h.loaded()
	}
}
