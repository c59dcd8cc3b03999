package script

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write what came out as what is expected")

// TestScripts runs every script in testdata and compares what it did with the
// .txt file beside it: lines of the log, events fired, jobs started and ended,
// then how it ended. A case is a file, or a directory whose script is brigade.*;
// the directory is the project's. Comments in the first lines set the stage:
//
//	// event: push          payload: {"a":1}     turn: 50ms     cancel: 20ms
//	// env: NAME=value      secret: name=value   name: ci/x.js  level: WARN
//
// The jobs are imaginary: their tasks say what they do, see fakeHost.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	worker := New(Options{})
	cases := 0
	for _, path := range paths {
		name := filepath.Base(path)
		script, root := path, ""
		if info, _ := os.Stat(path); info.IsDir() {
			found, _ := filepath.Glob(filepath.Join(path, "brigade.[cmjt]*s"))
			if len(found) != 1 {
				t.Errorf("%s has %d scripts", path, len(found))
				continue
			}
			script, root = found[0], path
		} else if strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".go") {
			continue
		}
		cases++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runCase(t, worker, script, root)
		})
	}
	if cases < 60 {
		t.Errorf("only %d cases were found", cases)
	}
}

// anyColumn matches where a loop was interrupted: anywhere in its line.
var anyColumn = regexp.MustCompile(`(without yielding at .*:\d+):\d+`)

var stage = regexp.MustCompile(`(\w+): (\S.*?)(?:\s{2,}|$)`)

func runCase(t *testing.T, worker *Worker, script, root string) {
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	run := brigade.ScriptRun{
		Build: &brigade.Build{ID: "01build", Event: brigade.Event{
			Type: "exec", Provider: "brigade-cli", Payload: "", Revision: brigade.Revision{Commit: "c0ffee", Ref: "refs/heads/main"},
		}},
		Project: brigade.NewProject("acme/app"),
		Script:  string(source),
		File:    filepath.Base(script),
		Env:     map[string]string{"BRIGADE_BUILD_ID": "01build"},
		Limits:  brigade.ScriptLimits{Turn: 20 * time.Second},
	}
	run.Project.Repository = "github.com/acme/app"
	run.Project.Repo.CloneURL = "https://github.com/acme/app.git"
	if root != "" {
		if run.Root, err = filepath.Abs(root); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	host := &fakeHost{build: run.Build}
	for _, line := range strings.Split(run.Script, "\n")[:min(4, strings.Count(run.Script, "\n"))] {
		if comment, ok := strings.CutPrefix(line, "// "); ok {
			for _, m := range stage.FindAllStringSubmatch(comment, -1) {
				setStage(t, &run, host, m[1], m[2])
			}
		}
	}
	host.cancel = cancel
	abort := make(chan struct{})
	run.Abort, host.abort = abort, sync.OnceFunc(func() { close(abort) })
	result, runErr := worker.RunScript(ctx, run, host)
	got := host.transcript(result, runErr, run.Root)
	want := script + ".txt"
	if root != "" {
		want = root + ".txt"
	}
	if *update {
		if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	expected, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(expected) {
		t.Errorf("got\n%s\nwant\n%s", got, expected)
	}
}

func setStage(t *testing.T, run *brigade.ScriptRun, host *fakeHost, key, value string) {
	name, rest, _ := strings.Cut(value, "=")
	var err error
	switch key {
	case "event":
		run.Build.Event.Type = value
	case "payload":
		run.Build.Event.Payload = value
	case "level":
		run.Build.Event.LogLevel = brigade.LogLevel(value)
	case "env":
		run.Env[name] = rest
	case "secret":
		if run.Project.Secrets == nil {
			run.Project.Secrets = map[string]any{}
		}
		run.Project.Secrets[name] = rest
	case "name":
		run.File = value
	case "turn":
		run.Limits.Turn, err = time.ParseDuration(value)
	case "wall":
		run.Limits.Wall, err = time.ParseDuration(value)
	case "cancel":
		host.cancelAt = value
	case "abort":
		host.abortAt = value
	case "also":
		run.Build.Event.Also = append(run.Build.Event.Also, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fakeHost runs imaginary jobs and writes down all that happens. A task
// "print X" prints X, "raw X" too but without a line end,
// "spec" shows the whole job, "fail N" ends the job with exit code N, "wait NAME" waits
// until the job NAME has ended, "meet N" until N jobs have come as far, "hang" never ends, "outputs {…}" sets outputs;
// anything else is only written down.
type fakeHost struct {
	build    *brigade.Build
	cancel   func()
	cancelAt string // the log line at which the build is canceled
	abort    func()
	abortAt  string // the log line at which somebody wants it to end

	mu    sync.Mutex
	lines []string
	ended map[string]chan struct{}
	logs  map[string]string

	met     int
	meeting chan struct{}
}

func (h *fakeHost) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// over is closed when the job of that name ends.
func (h *fakeHost) over(name string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended, h.logs = map[string]chan struct{}{}, map[string]string{}
	}
	if h.ended[name] == nil {
		h.ended[name] = make(chan struct{})
	}
	return h.ended[name]
}

func (h *fakeHost) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	over := h.over(spec.Name)
	h.note("job %s starts", spec.Name)
	result := brigade.JobResult{JobID: spec.Name + "-" + h.build.ID}
	defer func() {
		h.mu.Lock()
		h.logs[result.JobID] = result.Output
		h.mu.Unlock()
		if ctx.Err() == nil { // else it depends on goroutines whether it is still told
			h.note("job %s ends", spec.Name)
		}
		select {
		case <-over:
		default:
			close(over)
		}
	}()
	for _, task := range spec.Tasks {
		verb, rest, _ := strings.Cut(task, " ")
		switch verb {
		case "print":
			result.Output += rest + "\n"
		case "raw":
			result.Output += rest
		case "outputs":
			if err := json.Unmarshal([]byte(rest), &result.Outputs); err != nil {
				return result, err
			}
		case "spec":
			data, _ := json.Marshal(spec)
			h.note("spec %s", data)
		case "fail":
			_, _ = fmt.Sscan(rest, &result.ExitCode)
			return result, brigade.Errorf(brigade.CodeBuildFailed, "job %s(%s): exit code %d", spec.Name, result.JobID, result.ExitCode).
				WithHint("read the job's log")
		case "wait":
			select {
			case <-h.over(rest):
			case <-ctx.Done():
				return result, context.Cause(ctx)
			}
		case "meet":
			var others int
			_, _ = fmt.Sscan(rest, &others)
			if err := h.meet(ctx, others); err != nil {
				return result, err
			}
		case "hang":
			<-ctx.Done()
			return result, context.Cause(ctx)
		}
	}
	return result, nil
}

// meet waits until n jobs have called it.
func (h *fakeHost) meet(ctx context.Context, n int) error {
	h.mu.Lock()
	if h.meeting == nil {
		h.meeting = make(chan struct{})
	}
	met := h.meeting
	if h.met++; h.met == n {
		close(met)
	}
	h.mu.Unlock()
	select {
	case <-met:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *fakeHost) JobLog(_ context.Context, jobID string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	log, ok := h.logs[jobID]
	if !ok {
		return "", brigade.NotFound("job", jobID)
	}
	return log, nil
}

func (h *fakeHost) Log(level brigade.LogLevel, text string) {
	for _, line := range strings.Split(text, "\n") {
		h.note("%-5s %s", level, line)
	}
	if h.cancelAt != "" && text == h.cancelAt {
		h.cancel()
	}
	if h.abortAt != "" && text == h.abortAt {
		h.abort()
	}
}

func (h *fakeHost) Fired(l brigade.Lifecycle) {
	text := "fired " + l.Name
	if l.Trigger != "" {
		text += " trigger=" + l.Trigger
	}
	if l.Reason != "" {
		text += fmt.Sprintf(" reason=%q", l.Reason)
	}
	if !l.Handled {
		text += " (no handler)"
	}
	h.note("%s", text)
}

// sortStarts sorts the lines about jobs that start one after another: which
// one of them is the first depends on goroutines.
func sortStarts(lines []string) {
	for i := 0; i < len(lines); i++ {
		n := i
		for n < len(lines) && strings.HasPrefix(lines[n], "job ") && strings.HasSuffix(lines[n], "starts") {
			n++
		}
		slices.Sort(lines[i:n])
		i = max(i, n-1)
	}
}

// transcript is all that happened, with the result at its end.
func (h *fakeHost) transcript(r brigade.ScriptResult, err error, root string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	sortStarts(h.lines)
	for _, line := range h.lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "--\nexit %d, handled %v, handlers %v\n", r.ExitCode, r.Handled, r.Handlers)
	if f := r.Failure; f != nil {
		fmt.Fprintf(&b, "failure %s: %s\n", f.Code, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", f.Hint)
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "error %s\n", brigade.CodeOf(err))
	}
	text := anyColumn.ReplaceAllString(b.String(), "$1:N")
	if root != "" {
		text = strings.ReplaceAll(text, root, "ROOT")
	}
	return text
}

func TestAHostThatIsNotThereIsAnError(t *testing.T) {
	_, err := New(Options{}).RunScript(t.Context(), brigade.ScriptRun{}, nil)
	if !errors.Is(err, &brigade.Error{Code: brigade.CodeInternal}) {
		t.Error(err)
	}
}
