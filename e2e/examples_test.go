package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/engine"
)

// expectation is what an example's expect.json says about one run of it.
type expectation struct {
	Name    string   `json:"name"`
	Script  string   `json:"script"` // default brigade.js
	Event   string   `json:"event"`
	Payload string   `json:"payload"` // a file of the example
	Args    []string `json:"args"`
	Secrets []string `json:"secrets"` // KEY=VALUE
	// Runners are those it runs on (default: all), and Why says what the
	// others lack.
	Runners []string `json:"runners"`
	Why     string   `json:"why"`
	// KeepsState: this run finds what the run before it has left.
	KeepsState bool `json:"keepsState"`

	Exit       int                 `json:"exit"`
	Jobs       []string            `json:"jobs"`       // all of them, in any order
	Failed     []string            `json:"failed"`     // those that fail
	Order      [][2]string         `json:"order"`      // the second starts when the first has ended
	Parallel   [][]string          `json:"parallel"`   // they run at the same time
	JobOutput  map[string][]string `json:"jobOutput"`  // parts of what jobs print (not on dummy)
	Output     []string            `json:"output"`     // parts of what the script logs
	Never      []string            `json:"never"`      // what no output may hold
	Fired      []string            `json:"fired"`      // the events of the build, in order
	FiredAmong []string            `json:"firedAmong"` // the same, among others
}

var allRunners = []string{"dummy", "process", "docker"}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "expect.json"))
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d examples: %v", len(files), err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		runs := readExpectations(t, file)
		for _, runner := range allRunners {
			t.Run(filepath.Base(dir)+"/"+runner, func(t *testing.T) {
				t.Parallel()
				runExample(t, dir, runner, runs)
			})
		}
	}
}

func readExpectations(t *testing.T, file string) []expectation {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	var doc struct {
		Runs []expectation `json:"runs"`
	}
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, want := range doc.Runs {
		if len(want.Runners) > 0 && want.Why == "" {
			t.Errorf("%s: it does not run everywhere: say why", file)
		}
	}
	return doc.Runs
}

func runExample(t *testing.T, dir, runner string, runs []expectation) {
	copied := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, copied)
	m.needs(t, runner)
	ran := 0
	for _, want := range runs {
		if len(want.Runners) > 0 && !slices.Contains(want.Runners, runner) {
			t.Logf("%s does not run here: %s", want.Name, want.Why)
			continue
		}
		if !want.KeepsState {
			m = newMachine(t, copied)
			m.needs(t, runner)
		}
		ran++
		out := m.brig(t, want.args(runner)...)
		if problems := want.check(runner, out); len(problems) > 0 {
			t.Errorf("%s %s:\n  %s\nstdout:\n%s\nstderr:\n%s", want.Name, want.Event,
				strings.Join(problems, "\n  "), clip(out.stdout), clip(out.stderr))
		}
	}
	if ran == 0 {
		t.Skipf("not on this runner: %s", runs[0].Why)
	}
}

// needs skips what this machine cannot run; where an engine is required, it
// fails instead.
func (m *machine) needs(t *testing.T, runner string) {
	t.Helper()
	switch {
	case runner == "docker" && containers != nil:
		m.env = append(m.env, "DOCKER_HOST="+containers.Host)
	case runner == "docker" && engine.Required():
		t.Fatalf("a container engine is required here: %v", noContainers)
	case runner == "docker":
		t.Skipf("SKIPPED, no container engine: %v", noContainers)
	case runner == "process" && runtime.GOOS != "linux":
		t.Skip("the examples expect /src, which the process runner has on Linux only")
	}
}

func clip(s string) string {
	const most = 8000
	if len(s) > most {
		return s[:most] + fmt.Sprintf("\n… and %d bytes more", len(s)-most)
	}
	return s
}

func (want *expectation) args(runner string) []string {
	script := want.Script
	if script == "" {
		script = "brigade.js"
	}
	args := []string{"run", "-f", script, "-e", want.Event, "--runner", runner, "-o", "json"}
	if want.Payload != "" {
		args = append(args, "-p", want.Payload)
	}
	for _, secret := range want.Secrets {
		args = append(args, "--secret", secret)
	}
	return append(args, want.Args...)
}

// check returns what is not as wanted, a sentence each.
func (want *expectation) check(runner string, out outcome) []string {
	got, err := readRecord(out.stdout)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	fault := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }

	if out.code != want.Exit {
		fault("exit code %d, want %d", out.code, want.Exit)
	}
	bad = append(bad, want.checkJobs(runner, got)...)
	for _, part := range want.Output {
		if !strings.Contains(got.log, part) {
			fault("the script did not log %q", part)
		}
	}
	for _, part := range want.Never {
		if strings.Contains(out.both(), part) {
			fault("%q is in the output", part)
		}
	}
	if want.Fired != nil && !slices.Equal(got.fired, want.Fired) {
		fault("fired %q, want %q", got.fired, want.Fired)
	}
	for _, name := range want.FiredAmong {
		if !slices.Contains(got.fired, name) {
			fault("fired %q, want %q among them", got.fired, name)
		}
	}
	return bad
}

func (want *expectation) checkJobs(runner string, got *record) []string {
	var bad []string
	fault := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }

	names := got.names()
	if wanted := slices.Sorted(slices.Values(want.Jobs)); !slices.Equal(names, wanted) {
		fault("jobs %q, want %q", names, wanted)
		return bad
	}
	for name, job := range got.jobs {
		state := brigade.StateSucceeded
		if slices.Contains(want.Failed, name) {
			state = brigade.StateFailed
		}
		if job.State != state {
			fault("job %s is %s, want %s", name, job.State, state)
		}
	}
	for _, pair := range want.Order {
		first, second := got.jobs[pair[0]], got.jobs[pair[1]]
		if second.Created.Before(first.Ended) {
			fault("job %s started %v before %s had ended", pair[1], first.Ended.Sub(second.Created), pair[0])
		}
	}
	for _, group := range want.Parallel {
		if runner != "dummy" && !overlap(got, group, runner) {
			fault("jobs %q did not run at the same time", group)
		}
	}
	for name, parts := range want.JobOutput {
		for _, part := range parts {
			if runner != "dummy" && !strings.Contains(got.output[name], part) {
				fault("job %s printed %q, want %q in it", name, clip(got.output[name]), part)
			}
		}
	}
	return bad
}

// overlap reports whether there was a moment when all of the group ran. For
// containers, which a busy engine starts one by one, waiting to be started is
// enough: the script did not wait for one before it started the other.
func overlap(got *record, group []string, runner string) bool {
	var lastStart, firstEnd time.Time
	for _, name := range group {
		job := got.jobs[name]
		start := job.Started
		if runner == "docker" {
			start = job.Created
		}
		if start.After(lastStart) {
			lastStart = start
		}
		if firstEnd.IsZero() || job.Ended.Before(firstEnd) {
			firstEnd = job.Ended
		}
	}
	return !lastStart.IsZero() && lastStart.Before(firstEnd)
}

func TestEveryExampleIsExplained(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if !strings.Contains(string(readme), "("+entry.Name()+"/") {
			t.Errorf("examples/README.md does not name %s", entry.Name())
		}
		if _, err := os.Stat(filepath.Join(root, "examples", entry.Name(), "expect.json")); err != nil {
			t.Errorf("example %s has no expect.json, so nobody runs it", entry.Name())
		}
	}
}
