package runnertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// harness is what one subtest works with.
type harness struct {
	*testing.T
	cfg     Config
	runner  brigade.Runner
	project *brigade.Project
	build   *brigade.Build
	starts  starts
	ctx     context.Context //nolint:containedctx // it lives exactly as long as the subtest
}

func newHarness(t *testing.T, cfg Config) *harness {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Patience)
	t.Cleanup(cancel)
	h := &harness{T: t, cfg: cfg, ctx: ctx, runner: cfg.New(t)}
	h.project = brigade.NewProject("runnertest/" + randomID()[2:10])
	h.build = h.newBuild()
	return h
}

func randomID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return "01" + hex.EncodeToString(b)
}

// newBuild returns a build that is ended when the subtest is over.
func (h *harness) newBuild() *brigade.Build {
	b := &brigade.Build{ID: randomID(), ProjectID: h.project.ID, Project: h.project.Name, State: brigade.StateRunning, Created: time.Now()}
	h.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.cfg.Patience)
		defer cancel()
		if err := h.runner.EndBuild(ctx, b.ID); err != nil {
			h.Errorf("EndBuild: %v", err)
		}
	})
	return b
}

// spec returns a job that runs the tasks.
func (h *harness) spec(name string, tasks ...string) brigade.JobSpec {
	return brigade.JobSpec{Name: name, Image: h.cfg.Image, Tasks: tasks, UseSource: true, Env: map[string]brigade.EnvValue{}}.WithDefaults()
}

// env adds a plain environment value to spec.
func env(spec brigade.JobSpec, name, value string) brigade.JobSpec {
	m := map[string]brigade.EnvValue{name: {Value: value}}
	for k, v := range spec.Env {
		if k != name {
			m[k] = v
		}
	}
	spec.Env = m
	return spec
}

// path returns how a task writes the path of the spec: as it is, or by the
// variable a runner without fixed paths sets.
func (h *harness) path(fixed, variable string) string {
	if h.cfg.Has.FixedPaths {
		return fixed
	}
	return "$" + variable
}

func (h *harness) src() string   { return h.path("/src", "BRIGADE_SRC") }
func (h *harness) share() string { return h.path("/mnt/brigade/share", "BRIGADE_SHARE") }
func (h *harness) cache() string { return h.path("/mnt/brigade/cache", "BRIGADE_CACHE") }

// starts counts how often a job was started.
type starts struct {
	sync.Mutex
	of map[string]int
}

func (s *starts) next(job string) int {
	s.Lock()
	defer s.Unlock()
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.of[job]++
	return s.of[job]
}

// runOf makes the JobRun of a spec in the subtest's build: the next attempt of
// the job.
func (h *harness) runOf(spec brigade.JobSpec, source string, log io.Writer) brigade.JobRun {
	id := spec.Name + "-" + h.build.ID
	job := &brigade.Job{
		ID: id, BuildID: h.build.ID, Name: spec.Name, Spec: spec,
		State: brigade.StatePending, Attempt: h.starts.next(id), Created: time.Now(),
	}
	return brigade.JobRun{Job: job, Build: h.build, Project: h.project, Source: source, Log: log}
}

// started is a job under way.
type started struct {
	h   *harness
	exe brigade.Execution
	log *logBuffer
}

// start starts the job without source.
func (h *harness) start(spec brigade.JobSpec) *started {
	h.Helper()
	return h.startIn(spec, "")
}

// startIn starts the job with source.
func (h *harness) startIn(spec brigade.JobSpec, source string) *started {
	h.Helper()
	log := newLogBuffer(h.T)
	exe, err := h.runner.Start(h.ctx, h.runOf(spec, source, log))
	if err != nil {
		h.Fatalf("Start of job %s: %v", spec.Name, err)
	}
	return &started{h: h, exe: exe, log: log}
}

// wait waits for the end and returns it with the output.
func (s *started) wait() (brigade.Exit, string) {
	s.h.Helper()
	exit, err := s.exe.Wait(s.h.ctx)
	if err != nil {
		s.h.Fatalf("Wait: %v\noutput so far:\n%s", err, tail(s.log.String()))
	}
	return exit, s.log.String()
}

// run runs the job to its end.
func (h *harness) run(spec brigade.JobSpec) (brigade.Exit, string) {
	h.Helper()
	return h.start(spec).wait()
}

// output runs the tasks, which have to succeed, and returns what they print.
func (h *harness) output(spec brigade.JobSpec, source string) string {
	h.Helper()
	exit, out := h.startIn(spec, source).wait()
	if exit.Code != 0 {
		h.Fatalf("job %s exited %d (%s), want 0\n%s", spec.Name, exit.Code, exit.Reason, tail(out))
	}
	return out
}

// wantOutput runs the tasks and compares what they print.
func (h *harness) wantOutput(spec brigade.JobSpec, source, want string) {
	h.Helper()
	if got := h.output(spec, source); got != want {
		h.Errorf("job %s printed\n%q\nwant\n%q", spec.Name, got, want)
	}
}

// refused starts the job, which has to fail with code and a message that
// holds the text.
func (h *harness) refused(spec brigade.JobSpec, code brigade.Code, text string) {
	h.Helper()
	exe, err := h.runner.Start(h.ctx, h.runOf(spec, "", io.Discard))
	if err == nil {
		_ = exe.Stop(h.ctx, 0)
		h.Errorf("job was started, want an error of code %s", code)
		return
	}
	if got := brigade.CodeOf(err); got != code {
		h.Errorf("Start failed with code %s (%v), want %s", got, err, code)
	}
	if !strings.Contains(err.Error(), text) {
		h.Errorf("Start failed with %q, which does not say %q", err, text)
	}
}

// tree writes files below a new directory and returns it. A name that ends
// with a slash is a directory.
func (h *harness) tree(files map[string]string) string {
	h.Helper()
	root := h.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			h.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				h.Fatal(err)
			}
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			h.Fatal(err)
		}
	}
	return root
}

func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// logBuffer keeps what a job prints and fails the test when two goroutines
// write at once.
type logBuffer struct {
	t       *testing.T
	writing atomic.Bool
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newLogBuffer(t *testing.T) *logBuffer {
	return &logBuffer{t: t, changed: make(chan struct{})}
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	if !l.writing.CompareAndSwap(false, true) {
		l.t.Error("two goroutines write to JobRun.Log at once")
	}
	defer l.writing.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

// String returns what was written so far.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await returns once the log holds text.
func (s *started) await(text string) {
	s.h.Helper()
	for {
		s.log.mu.Lock()
		got, changed := s.log.buf.String(), s.log.changed
		s.log.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-changed:
		case <-s.h.ctx.Done():
			s.h.Fatalf("the job never printed %q, only:\n%s", text, tail(got))
		}
	}
}
