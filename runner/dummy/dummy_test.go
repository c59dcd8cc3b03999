package dummy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/dummy"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

func TestContract(t *testing.T) {
	runnertest.Run(t, runnertest.Config{
		New:   func(*testing.T) brigade.Runner { return dummy.New(dummy.Options{}) },
		Image: "alpine:3.20",
		Jobs:  1000,
		Has:   runnertest.Features{Outputs: true, Artifacts: true},
	})
}

func jobRun(env map[string]string, log io.Writer) brigade.JobRun {
	spec := brigade.JobSpec{Name: "job", Image: "alpine:3.20", Tasks: []string{"echo hi", "go test ./..."}, Env: map[string]brigade.EnvValue{}}.WithDefaults()
	for k, v := range env {
		spec.Env[k] = brigade.EnvValue{Value: v}
	}
	return brigade.JobRun{Job: &brigade.Job{ID: "job-b1", BuildID: "b1", Name: "job", Spec: spec}, Log: log}
}

func TestStartFailures(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		text string
	}{
		{map[string]string{"DUMMY_START_FAIL": "no room on this machine"}, "no room on this machine"},
		{map[string]string{"DUMMY_SLEEP": "soon"}, "DUMMY_SLEEP"},
		{map[string]string{"DUMMY_SLEEP": "-1s"}, "negative"},
		{map[string]string{"DUMMY_EXIT_CODE": "x"}, "DUMMY_EXIT_CODE"},
		{map[string]string{"DUMMY_EXIT_CODE": "256"}, "between 0 and 255"},
		{map[string]string{"DUMMY_PULL": "1 week"}, "DUMMY_PULL"},
	} {
		_, err := dummy.New(dummy.Options{}).Start(t.Context(), jobRun(tt.env, nil))
		if brigade.CodeOf(err) != brigade.CodeJobStart || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v: %v, want a start failure that says %q", tt.env, err, tt.text)
		}
	}
}

func TestPullIsToldAndEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	run := jobRun(map[string]string{"DUMMY_PULL": "3600"}, nil)
	run.Notify = func(state brigade.State, message string) {
		if state == brigade.StatePulling && strings.Contains(message, "alpine:3.20") {
			cancel()
		}
	}
	if _, err := dummy.New(dummy.Options{}).Start(ctx, run); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v, want context canceled", err)
	}
}

func TestSleepAndEscapes(t *testing.T) {
	var log strings.Builder
	begin := time.Now()
	e, err := dummy.New(dummy.Options{}).Start(t.Context(), jobRun(map[string]string{"DUMMY_SLEEP": "0.05", "DUMMY_OUTPUT": `a\tb\n\\n`}, &log))
	if err != nil {
		t.Fatal(err)
	}
	exit, err := e.Wait(t.Context())
	if err != nil || exit.Code != 0 || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("exit %+v after %v, error %v", exit, time.Since(begin), err)
	}
	if log.String() != "a\tb\n\\n" {
		t.Errorf("output %q", log.String())
	}
}

func TestInventIsStable(t *testing.T) {
	var logs [2]strings.Builder
	for i := range logs {
		e, err := dummy.New(dummy.Options{Invent: true}).Start(t.Context(), jobRun(nil, &logs[i]))
		if err != nil {
			t.Fatal(err)
		}
		_ = e.Stop(t.Context(), 0)
	}
	if got := logs[0].String(); got != logs[1].String() || !strings.HasPrefix(got, "+ echo hi\nhi\n+ go test ./...\nok") {
		t.Errorf("invented %q and %q", got, logs[1].String())
	}
}

// TestThousandsAreCheap starts 10,000 sleeping jobs and looks at what they cost.
func TestThousandsAreCheap(t *testing.T) {
	const jobs = 10_000
	r := dummy.New(dummy.Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	run := jobRun(map[string]string{"DUMMY_SLEEP": "10m"}, io.Discard)
	all := make([]brigade.Execution, jobs)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			e, err := r.Start(t.Context(), run)
			if err != nil {
				t.Errorf("Start: %v", err)
			}
			all[i] = e
		})
	}
	wg.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := runtime.NumGoroutine() - goroutines; more > 10 {
		t.Errorf("%d sleeping jobs hold %d goroutines", jobs, more)
	}
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / jobs; each > 4096 {
		t.Errorf("a sleeping job holds %d bytes", each)
	}
	if err := r.EndBuild(t.Context(), "b1"); err != nil {
		t.Error(err)
	}
	for _, e := range all {
		if exit, err := e.Wait(t.Context()); err != nil || exit.Code != 137 {
			t.Fatalf("exit %d, error %v", exit.Code, err)
		}
	}
}

func ExampleRunner() {
	run := jobRun(map[string]string{"DUMMY_EXIT_CODE": "3"}, nil)
	e, err := dummy.New(dummy.Options{}).Start(context.Background(), run)
	if err != nil {
		fmt.Println(err)
		return
	}
	exit, _ := e.Wait(context.Background())
	fmt.Println(exit.Code)
	// Output: 3
}
