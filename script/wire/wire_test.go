package wire_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/wire"
)

// TestMain is also the child: WIRE_CHILD makes this program serve one script,
// WIRE_APART makes it a command that runs apart.
func TestMain(m *testing.M) {
	if what := os.Getenv("WIRE_APART"); what != "" {
		os.Exit(apartCommand(what))
	}
	if os.Getenv("WIRE_CHILD") != "" {
		if err := wire.Serve(context.Background(), os.Stdin, os.Stdout, behaviours{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// behaviours is a worker whose scripts are words.
type behaviours struct{}

var sink [][]byte

func (behaviours) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	switch run.Script {
	case "jobs":
		var jobs sync.WaitGroup
		for i := range 20 {
			jobs.Go(func() {
				name := fmt.Sprintf("job-%d", i)
				got, err := host.RunJob(ctx, brigade.JobSpec{Name: name})
				host.Log(brigade.LevelInfo, fmt.Sprintf("%s %s %v", name, got.Output, err))
			})
		}
		jobs.Wait()
		text, err := host.JobLog(ctx, "x")
		host.Log(brigade.LevelInfo, fmt.Sprintf("%s %v", text, err))
		host.Fired(brigade.Lifecycle{Name: "after", Trigger: "success"})
		return brigade.ScriptResult{Handled: true, Handlers: []string{"a", "b"}}, nil
	case "fails":
		return brigade.ScriptResult{ExitCode: 1, Failure: brigade.Errorf(brigade.CodeScriptLoad, "it does not load").WithHint("try")}, nil
	case "environment":
		return brigade.ScriptResult{Handlers: os.Environ()}, nil
	case "pid":
		return brigade.ScriptResult{Handlers: []string{fmt.Sprint(os.Getpid())}}, nil
	case "leaves work":
		go func() { select {} }()
		return brigade.ScriptResult{Handlers: []string{fmt.Sprint(os.Getpid())}}, nil
	case "leaves memory":
		for range 6 {
			sink = append(sink, make([]byte, 8<<20))
		}
		return brigade.ScriptResult{Handlers: []string{fmt.Sprint(os.Getpid())}}, nil
	case "breaks":
		return brigade.ScriptResult{Handlers: []string{fmt.Sprint(os.Getpid())}}, brigade.Errorf(brigade.CodeScriptLimit, "too long")
	case "leaves a question":
		go func() { _, _ = host.RunJob(context.Background(), brigade.JobSpec{Name: "endless"}) }()
		host.Log(brigade.LevelInfo, "asking")
		return brigade.ScriptResult{Handlers: []string{fmt.Sprint(os.Getpid())}}, nil
	case "crash":
		os.Exit(9)
	case "panic":
		panic("on purpose")
	case "memory":
		for {
			block := make([]byte, 8<<20)
			for i := range block {
				block[i] = 1
			}
			sink = append(sink, block)
		}
	case "memory at once":
		block := make([]byte, 4<<30)
		for i := range block {
			block[i] = 1
		}
		sink = append(sink, block)
	case "stuck":
		wire.Stuck()
	case "deaf":
		select {}
	case "garbage":
		fmt.Println("this is no frame, and a long line of it as well, so that its length is nonsense")
		select {}
	case "aborts":
		host.Log(brigade.LevelInfo, "waiting")
		<-run.Abort
		_, err := host.RunJob(ctx, brigade.JobSpec{Name: "clean-up"})
		return brigade.ScriptResult{ExitCode: 5}, err
	case "asks":
		_, err := host.RunJob(ctx, brigade.JobSpec{Name: "endless"})
		if strings.Contains(fmt.Sprint(err), "it was stopped") {
			host.Log(brigade.LevelError, "the job failed")
		}
	case "obedient":
		host.Log(brigade.LevelInfo, "waiting")
		<-ctx.Done()
	}
	return brigade.ScriptResult{}, nil
}

type fakeHost struct {
	mu    sync.Mutex
	lines []string
	fired []brigade.Lifecycle
	heard func(string)
}

func (h *fakeHost) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	if spec.Name == "endless" {
		h.heard("asked")
		<-ctx.Done()
		return brigade.JobResult{}, brigade.Errorf(brigade.CodeCanceled, "it was stopped")
	}
	if spec.Name == "job-3" {
		return brigade.JobResult{Output: "partly"}, brigade.Errorf(brigade.CodeJobTimeout, "too slow").WithHint("hurry")
	}
	return brigade.JobResult{Output: "ran " + spec.Name}, nil
}

func (h *fakeHost) JobLog(context.Context, string) (string, error) {
	return "", brigade.NotFound("job", "x")
}

func (h *fakeHost) Log(_ brigade.LogLevel, text string) {
	h.mu.Lock()
	h.lines = append(h.lines, text)
	h.mu.Unlock()
	if h.heard != nil {
		h.heard(text)
	}
}

func (h *fakeHost) Fired(l brigade.Lifecycle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fired = append(h.fired, l)
}

func child(t *testing.T) *wire.Child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Child{Program: self, Env: []string{"WIRE_CHILD=1"}}
}

func script(text string) brigade.ScriptRun {
	return brigade.ScriptRun{Script: text, Build: &brigade.Build{}, Project: brigade.NewProject("p"), Limits: brigade.ScriptLimits{Memory: 128 << 20}}
}

func TestJobsLinesAndResult(t *testing.T) {
	h := &fakeHost{}
	result, err := child(t).RunScript(context.Background(), script("jobs"), h)
	if err != nil || !result.Handled || len(result.Handlers) != 2 {
		t.Fatalf("result = %+v, %v", result, err)
	}
	if len(h.lines) != 21 || len(h.fired) != 1 || h.fired[0].Trigger != "success" {
		t.Fatalf("lines = %q, fired = %+v", h.lines, h.fired)
	}
	all := strings.Join(h.lines, "\n")
	for _, want := range []string{"job-0 ran job-0 <nil>", "job-3 partly too slow", `there is no job "x"`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func TestFailureCrosses(t *testing.T) {
	result, err := child(t).RunScript(context.Background(), script("fails"), &fakeHost{})
	if err != nil || result.ExitCode != 1 || result.Failure == nil || result.Failure.Code != brigade.CodeScriptLoad || result.Failure.Hint != "try" {
		t.Fatalf("result = %+v, %v", result, err)
	}
}

func TestChildHasOnlyItsEnvironment(t *testing.T) {
	t.Setenv("SERVER_SECRET", "x")
	result, err := child(t).RunScript(context.Background(), script("environment"), &fakeHost{})
	if err != nil || len(result.Handlers) != 1 || result.Handlers[0] != "WIRE_CHILD=1" {
		t.Fatalf("environment = %q, %v", result.Handlers, err)
	}
}

func TestEndsBadly(t *testing.T) {
	for text, want := range map[string]struct {
		code    brigade.Code
		message string
	}{
		"crash":          {brigade.CodeScriptCrashed, "exit status 9"},
		"panic":          {brigade.CodeScriptCrashed, "ended unexpectedly"},
		"memory":         {brigade.CodeScriptLimit, "128 MiB of memory"},
		"memory at once": {brigade.CodeScriptLimit, "128 MiB of memory"},
		"stuck":          {brigade.CodeScriptLimit, "did not stop when told to"},
		"garbage":        {brigade.CodeScriptCrashed, "too large"},
	} {
		t.Run(text, func(t *testing.T) {
			_, err := child(t).RunScript(context.Background(), script(text), &fakeHost{})
			var e *brigade.Error
			if !errors.As(err, &e) || e.Code != want.code || !strings.Contains(e.Message, want.message) {
				t.Fatalf("got %v, want %s with %q", err, want.code, want.message)
			}
			if strings.Contains(e.Message+e.Hint, "goroutine") {
				t.Errorf("a stack trace: %s", e.Message)
			}
		})
	}
}

func TestWallLimit(t *testing.T) {
	for _, text := range []string{"deaf", "obedient"} {
		run := script(text)
		run.Limits.Wall = 50 * time.Millisecond
		_, err := child(t).RunScript(context.Background(), run, &fakeHost{})
		if brigade.CodeOf(err) != brigade.CodeScriptLimit || !strings.Contains(err.Error(), "longer than 50ms") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAbortLetsTheScriptCleanUp(t *testing.T) {
	abort := make(chan struct{})
	run := script("aborts")
	run.Abort = abort
	h := &fakeHost{heard: func(string) { close(abort) }}
	result, err := child(t).RunScript(context.Background(), run, h)
	if err != nil || result.ExitCode != 5 {
		t.Fatalf("result = %+v, %v", result, err)
	}
}

func TestCancel(t *testing.T) {
	cause := errors.New("somebody said so")
	ctx, cancel := context.WithCancelCause(context.Background())
	h := &fakeHost{heard: func(string) { cancel(cause) }}
	_, err := child(t).RunScript(ctx, script("obedient"), h)
	if !errors.Is(err, cause) {
		t.Fatalf("err = %v", err)
	}
}

// TestAScriptThatIsStoppedHearsOfNoFailure stops a script while it waits for a
// job: it must not take the end of that for a failure, and go on with what it
// does about failures.
func TestAScriptThatIsStoppedHearsOfNoFailure(t *testing.T) {
	for range 10 {
		ctx, cancel := context.WithCancelCause(context.Background())
		h := &fakeHost{heard: func(text string) {
			if text == "asked" {
				cancel(errors.New("over"))
			}
		}}
		_, _ = child(t).RunScript(ctx, script("asks"), h)
		if len(h.lines) != 0 {
			t.Fatalf("the script said %q", h.lines)
		}
	}
}

func TestProgramIsMissing(t *testing.T) {
	c := &wire.Child{Program: "/nowhere/brig"}
	if _, err := c.RunScript(context.Background(), script("jobs"), &fakeHost{}); brigade.CodeOf(err) != brigade.CodeScriptCrashed {
		t.Fatalf("err = %v", err)
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for _, in := range []string{"", "\x00\x00\x00\x02{}", "\xff\xff\xff\xff", "\x00\x00\x00\x05notjs", "\x00\x00"} {
		var out strings.Builder
		if err := wire.Serve(context.Background(), strings.NewReader(in), &out, behaviours{}); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v %q", in, err, out.String())
		}
	}
}
