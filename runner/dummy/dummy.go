// Package dummy is the runner that runs nothing. A job does what its
// environment says, which is enough for tests, dry runs and demos:
//
//	DUMMY_SLEEP       how long it runs: a duration such as 1.5s, or seconds
//	DUMMY_EXIT_CODE   its exit code, 0 to 255
//	DUMMY_OUTPUT      what it prints; \n, \r, \t and \\ are understood
//	DUMMY_OUTPUTS     what it leaves in the file at $BRIGADE_OUTPUT, as JSON
//	DUMMY_ARTIFACTS   a line name=content for each file that it leaves; kept when
//	                  the job's artifacts name it; escapes as in DUMMY_OUTPUT
//	DUMMY_PULL        how long its image takes to pull: a duration or seconds
//	DUMMY_START_FAIL  it does not start, and this is why
//
// The output is printed at the start, then the job sleeps. It costs one small
// record and, while it sleeps, one timer: thousands may run at once.
package dummy

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/pick"
)

// Options set up a Runner. The zero value is ready to use.
type Options struct {
	// Invent makes jobs without DUMMY_OUTPUT print something plausible, made
	// from their tasks, and jobs without DUMMY_SLEEP take up to a few seconds.
	// The same job always does the same.
	Invent bool
	// Nap is how long a job without DUMMY_SLEEP takes.
	Nap time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Runner is the dummy runner. Make it with New.
type Runner struct {
	opts Options

	mu     sync.Mutex
	builds map[string]map[*execution]struct{} // what runs, by build
}

var (
	_ brigade.Runner    = (*Runner)(nil)
	_ brigade.Execution = (*execution)(nil)
)

// New returns a dummy runner.
func New(opts Options) *Runner {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Runner{opts: opts, builds: map[string]map[*execution]struct{}{}}
}

// Name returns "dummy".
func (r *Runner) Name() string { return "dummy" }

// Check returns nil: nothing can be missing.
func (r *Runner) Check(context.Context) error { return nil }

// plan is what a job's environment says.
type plan struct {
	pull, sleep     time.Duration
	code            int
	output, outputs []byte
	files           []file
	fail            string
}

// file is what a job leaves behind.
type file struct{ name, content string }

// Start implements brigade.Runner.
func (r *Runner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if run.Job == nil {
		return nil, brigade.Errorf(brigade.CodeJobStart, "there is no job to start")
	}
	p, err := r.plan(run.Job.Spec)
	if err != nil {
		return nil, err
	}
	notify := run.Notify
	if notify == nil {
		notify = func(brigade.State, string) {}
	}
	if p.pull > 0 {
		notify(brigade.StatePulling, "pulling "+run.Job.Spec.Image+" (dummy)")
		if err := sleep(ctx, p.pull); err != nil {
			return nil, err
		}
	}
	if p.fail != "" {
		return nil, brigade.Errorf(brigade.CodeJobStart, "%s", p.fail).WithHint("the job's DUMMY_START_FAIL says so")
	}
	e := &execution{runner: r, buildID: run.Job.BuildID, started: r.opts.Now(), code: p.code, outputs: p.outputs, done: make(chan struct{})}
	if run.Keep != nil && len(run.Job.Spec.Artifacts) > 0 {
		e.keep = func() { p.keep(run) }
	}
	r.add(e)
	notify(brigade.StateRunning, "runs nothing (dummy)")
	if len(p.output) > 0 && run.Log != nil {
		_, _ = run.Log.Write(p.output) // never fails, says JobRun
	}
	if p.sleep <= 0 {
		e.end(e.code)
		return e, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.timer = time.AfterFunc(p.sleep, func() { e.end(e.code) })
	}
	return e, nil
}

// files reads lines of name=content.
func files(value string) []file {
	var all []file
	for line := range strings.SplitSeq(unescape(value), "\n") {
		if name, content, ok := strings.Cut(line, "="); ok && name != "" {
			all = append(all, file{name, content})
		}
	}
	return all
}

// keep hands over the files that the job's artifacts name.
func (p plan) keep(run brigade.JobRun) {
	set := pick.Compile(run.Job.Spec.Artifacts, run.Job.Spec.MountPath)
	for _, f := range p.files {
		if !set.Match(f.name) {
			continue
		}
		if err := run.Keep(f.name, int64(len(f.content)), strings.NewReader(f.content)); err != nil && run.Log != nil {
			_, _ = fmt.Fprintf(run.Log, "artifacts: %s is not kept: %v\n", f.name, err) // never fails, says JobRun
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *Runner) plan(spec brigade.JobSpec) (plan, error) {
	p := plan{sleep: r.opts.Nap}
	if r.opts.Invent {
		p = invent(spec)
	}
	read := func(name string, set func(value string) error) error {
		v, ok := spec.Env[name]
		if !ok || v.Value == "" {
			return nil
		}
		if err := set(v.Value); err != nil {
			return brigade.Errorf(brigade.CodeJobStart, "%s of job %q is %.40q, which is not understood: %w", name, spec.Name, v.Value, err)
		}
		return nil
	}
	duration := func(to *time.Duration) func(string) error {
		return func(value string) (err error) {
			*to, err = parseDuration(value)
			return err
		}
	}
	for _, err := range []error{
		read("DUMMY_SLEEP", duration(&p.sleep)),
		read("DUMMY_PULL", duration(&p.pull)),
		read("DUMMY_EXIT_CODE", func(value string) (err error) {
			p.code, err = strconv.Atoi(value)
			if err == nil && (p.code < 0 || p.code > 255) {
				err = fmt.Errorf("an exit code is between 0 and 255")
			}
			return err
		}),
		read("DUMMY_OUTPUT", func(value string) error { p.output = []byte(unescape(value)); return nil }),
		read("DUMMY_OUTPUTS", func(value string) error {
			p.outputs = []byte(value)[:min(len(value), brigade.MaxOutputsBytes)]
			return nil
		}),
		read("DUMMY_ARTIFACTS", func(value string) error { p.files = files(value); return nil }),
		read("DUMMY_START_FAIL", func(value string) error { p.fail = value; return nil }),
	} {
		if err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// parseDuration reads a Go duration or a number of seconds.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	if err == nil && d < 0 {
		err = fmt.Errorf("a duration cannot be negative")
	}
	return d, err
}

var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t").Replace

// EndBuild ends the build's jobs that still run.
func (r *Runner) EndBuild(_ context.Context, buildID string) error {
	r.mu.Lock()
	left := make([]*execution, 0, len(r.builds[buildID]))
	for e := range r.builds[buildID] {
		left = append(left, e)
	}
	r.mu.Unlock()
	for _, e := range left {
		e.end(128 + 9)
	}
	return nil
}

func (r *Runner) add(e *execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs := r.builds[e.buildID]
	if jobs == nil {
		jobs = map[*execution]struct{}{}
		r.builds[e.buildID] = jobs
	}
	jobs[e] = struct{}{}
}

func (r *Runner) remove(e *execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs := r.builds[e.buildID]
	delete(jobs, e)
	if len(jobs) == 0 {
		delete(r.builds, e.buildID)
	}
}

// execution is one job. Its end is decided once: by its timer, Stop or EndBuild.
type execution struct {
	runner  *Runner
	buildID string
	started time.Time
	code    int
	outputs []byte
	keep    func() // nil: nothing is kept
	done    chan struct{}

	mu    sync.Mutex
	over  bool
	timer *time.Timer
	exit  brigade.Exit // valid once done is closed
}

func (e *execution) end(code int) {
	e.mu.Lock()
	if e.over {
		e.mu.Unlock()
		return
	}
	e.over = true
	if e.timer != nil {
		e.timer.Stop()
	}
	e.exit = brigade.Exit{Code: code, Started: e.started, Ended: e.runner.opts.Now(), Outputs: e.outputs}
	e.mu.Unlock()
	if e.keep == nil {
		e.close()
		return
	}
	go func() { // it may take long, and Stop returns at once
		e.keep()
		e.close()
	}()
}

func (e *execution) close() {
	e.runner.remove(e)
	close(e.done)
}

// Handle returns "": nothing outlives the process.
func (e *execution) Handle() string { return "" }

// Wait implements brigade.Execution.
func (e *execution) Wait(ctx context.Context) (brigade.Exit, error) {
	select {
	case <-e.done:
	default:
		select {
		case <-e.done:
		case <-ctx.Done():
			return brigade.Exit{}, context.Cause(ctx)
		}
	}
	exit := e.exit
	exit.Outputs = bytes.Clone(exit.Outputs)
	return exit, nil
}

// Stop ends the job at once: it has nothing to clean up.
func (e *execution) Stop(context.Context, time.Duration) error {
	e.end(128 + 15)
	return nil
}
