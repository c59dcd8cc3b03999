package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/runner/dummy"
)

func TestKilledScriptRunsAgain(t *testing.T) {
	started := make(chan struct{}, 8)
	var crashes atomic.Int32
	ran := map[string]int{}
	counting := countingRunner{dummy.New(dummy.Options{}), newMutex(), ran}
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if _, err := host.RunJob(ctx, spec("done", "DUMMY_OUTPUT", "kept")); err != nil {
			t.Errorf("done: %v", err)
		}
		slow, cancel := context.WithCancel(ctx)
		defer cancel()
		result := make(chan error, 1)
		go func() {
			started <- struct{}{}
			_, err := host.RunJob(slow, spec("slow", "DUMMY_SLEEP", "100ms"))
			result <- err
		}()
		<-started
		if crashes.Add(1) == 1 {
			cancel() // as when the process is gone: its requests are over before it is started again
			<-result
			return brigade.ScriptResult{}, brigade.Errorf(brigade.CodeScriptCrashed, "killed")
		}
		return handled, <-result
	}, func(o *dispatch.Options) { o.Runner = counting })
	build := b.run(context.Background(), brigade.Event{Type: "exec"})
	if build.State != brigade.StateSucceeded || build.Attempt != 2 {
		t.Errorf("build = %+v", build)
	}
	if ran["done"] != 1 || ran["slow"] != 1 {
		t.Errorf("jobs were repeated: %v", ran)
	}
}

func TestScriptThatAlwaysDiesFails(t *testing.T) {
	var runs atomic.Int32
	b := newBench(t, func(context.Context, brigade.ScriptRun, brigade.Host) (brigade.ScriptResult, error) {
		runs.Add(1)
		return brigade.ScriptResult{}, brigade.Errorf(brigade.CodeScriptCrashed, "killed")
	}, nil)
	build := b.run(context.Background(), brigade.Event{Type: "exec"})
	if build.State != brigade.StateFailed || runs.Load() != 3 {
		t.Errorf("%d runs, build = %+v", runs.Load(), build)
	}
}

func TestJobRetries(t *testing.T) {
	var tries atomic.Int32
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		s := spec("flaky")
		s.Retry = &brigade.Retry{Limit: 3, Backoff: brigade.Duration(time.Millisecond)}
		got, err := host.RunJob(ctx, s)
		if err != nil || got.ExitCode != 0 {
			t.Errorf("flaky: %+v, %v", got, err)
		}
		s = spec("hopeless", "DUMMY_EXIT_CODE", "9")
		s.Retry = &brigade.Retry{Limit: 1, Backoff: brigade.Duration(time.Millisecond)}
		s.Fallible = true
		got, err = host.RunJob(ctx, s)
		if err != nil || got.Failure == nil || got.ExitCode != 9 {
			t.Errorf("hopeless: %+v, %v", got, err)
		}
		return handled, nil
	}, func(o *dispatch.Options) {
		o.Runner = flakyRunner{dummy.New(dummy.Options{}), &tries}
	})
	b.run(context.Background(), brigade.Event{Type: "exec"})
	if j := b.job("flaky"); j.Attempt != 3 || j.State != brigade.StateSucceeded || len(j.History) < 5 {
		t.Errorf("flaky = %+v", j)
	}
	if j := b.job("hopeless"); j.Attempt != 2 || j.State != brigade.StateFailed {
		t.Errorf("hopeless = %+v", j)
	}
}

// flakyRunner fails to start the job "flaky" twice.
type flakyRunner struct {
	*dummy.Runner
	tries *atomic.Int32
}

func (f flakyRunner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if run.Job.Name == "flaky" && f.tries.Add(1) <= 2 {
		return nil, brigade.Errorf(brigade.CodeJobStart, "not now")
	}
	return f.Runner.Start(ctx, run)
}

func TestBuildRetries(t *testing.T) {
	ran := map[string]int{}
	fail := true
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if _, err := host.RunJob(ctx, spec("good")); err != nil {
			t.Errorf("good: %v", err)
		}
		s := spec("bad")
		if fail {
			s = spec("bad", "DUMMY_EXIT_CODE", "1")
		}
		if _, err := host.RunJob(ctx, s); err != nil {
			return brigade.ScriptResult{Handled: true, ExitCode: 1, Failure: asBrigade(err)}, nil
		}
		return handled, nil
	}, func(o *dispatch.Options) { o.Runner = countingRunner{dummy.New(dummy.Options{}), newMutex(), ran} })
	b.project.Retry = &brigade.Retry{Limit: 1, Backoff: brigade.Duration(time.Nanosecond)}
	id := b.submit(brigade.Event{Type: "exec"})
	build, err := b.d.RunBuild(context.Background(), id, b.project)
	if err != nil || build.State != brigade.StatePending || build.Retries != 1 || build.Lease.Owner != "" {
		t.Fatalf("after the failure: %+v, %v", build, err)
	}
	fail = false
	time.Sleep(time.Until(build.NotBefore))
	build, err = b.d.RunBuild(context.Background(), id, b.project)
	if err != nil || build.State != brigade.StateSucceeded || build.Attempt != 2 || build.Failure != nil {
		t.Fatalf("after the retry: %+v, %v", build, err)
	}
	if ran["good"] != 1 || ran["bad"] != 2 {
		t.Errorf("started: %v", ran)
	}
}

func TestRerunOfFailed(t *testing.T) {
	ran := map[string]int{}
	script := func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		got, err := host.RunJob(ctx, spec("good", "DUMMY_OUTPUT", "fresh"))
		if err != nil || got.Output != "old\n" || got.JobID != "good-01hbuild" {
			t.Errorf("good: %+v, %v", got, err)
		}
		for _, name := range []string{"bad", "shared"} {
			s := spec(name)
			s.Storage.Enabled = name == "shared"
			if _, err := host.RunJob(ctx, s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return handled, nil
	}
	b := newBench(t, script, func(o *dispatch.Options) { o.Runner = countingRunner{dummy.New(dummy.Options{}), newMutex(), ran} })
	ctx := context.Background()
	old := &brigade.Build{ID: "01hold", ProjectID: b.project.ID, State: brigade.StateFailed, Created: time.Now()}
	if _, err := b.store.CreateBuild(ctx, old); err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]brigade.State{"good": brigade.StateSucceeded, "bad": brigade.StateFailed, "shared": brigade.StateSucceeded} {
		s := spec(name).WithDefaults()
		if name == "good" {
			s = spec(name, "DUMMY_OUTPUT", "fresh").WithDefaults()
		}
		s.Storage.Enabled = name == "shared"
		if err := b.store.PutJob(ctx, &brigade.Job{ID: name + "-01hold", BuildID: "01hold", Name: name, Spec: s, State: state, Created: time.Now(), Ended: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.store.AppendLog(ctx, []brigade.LogLine{{BuildID: "01hold", JobID: "good-01hold", Seq: 1, Text: "old"}}); err != nil {
		t.Fatal(err)
	}
	build := &brigade.Build{ID: "01hbuild", ProjectID: b.project.ID, Event: brigade.Event{Type: "exec"}, State: brigade.StatePending, Created: time.Now(), RerunOf: "01hold", Inherit: true}
	if _, err := b.store.CreateBuild(ctx, build); err != nil {
		t.Fatal(err)
	}
	if got, err := b.d.RunBuild(ctx, "01hbuild", b.project); err != nil || got.State != brigade.StateSucceeded {
		t.Fatalf("build = %+v, %v", got, err)
	}
	if ran["good"] != 0 || ran["bad"] != 1 || ran["shared"] != 1 {
		t.Errorf("started: %v", ran)
	}
	if j := b.job("good"); j.Inherited != "01hold" || j.State != brigade.StateSucceeded {
		t.Errorf("good = %+v", j)
	}
}

func TestAbortLetsTheScriptCleanUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	b := newBench(t, func(_ context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		cancel(brigade.Errorf(brigade.CodeCanceled, "enough"))
		<-run.Abort
		got, err := host.RunJob(context.Background(), spec("clean-up"))
		if err != nil || got.ExitCode != 0 {
			t.Errorf("clean-up: %+v, %v", got, err)
		}
		return brigade.ScriptResult{}, errors.New("canceled")
	}, func(o *dispatch.Options) { o.Grace = time.Minute })
	build := b.run(ctx, brigade.Event{Type: "exec"})
	if build.State != brigade.StateCanceled || build.Failure.Message != "enough" {
		t.Errorf("build = %+v", build)
	}
	if j := b.job("clean-up"); j.State != brigade.StateSucceeded {
		t.Errorf("clean-up = %+v", j)
	}
}

func TestServeShutdownHandsOver(t *testing.T) {
	running := make(chan struct{}, 2)
	script := func(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if run.Build.Attempt == 1 {
			running <- struct{}{}
			_, err := host.RunJob(ctx, brigade.JobSpec{Name: "long", Image: "x", Env: map[string]brigade.EnvValue{"DUMMY_SLEEP": {Value: "1m"}}})
			if ctx.Err() == nil {
				t.Errorf("the script takes it for a failure: %v", err)
			}
			return brigade.ScriptResult{}, ctx.Err()
		}
		return handled, nil
	}
	b := newBench(t, script, nil)
	if err := b.store.PutProject(context.Background(), b.project); err != nil {
		t.Fatal(err)
	}
	b.submit(brigade.Event{Type: "exec"})
	serve := func(d *dispatch.Dispatcher) (stop func(grace time.Duration)) {
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() { over <- d.Serve(ctx) }()
		return func(grace time.Duration) {
			cancel()
			if err := <-over; err != nil {
				t.Error(err)
			}
			limited, done := context.WithTimeout(context.Background(), grace)
			defer done()
			d.Shutdown(limited)
		}
	}
	stop := serve(b.d)
	<-running
	stop(0)
	build, err := b.store.Build(context.Background(), "01hbuild")
	if err != nil || build.State != brigade.StateRunning || build.Lease.Owner != "" {
		t.Fatalf("handed over: %+v, %v", build, err)
	}
	next, err := dispatch.New(dispatch.Options{
		Store: b.store, Worker: scriptFunc(script), Runner: dummy.New(dummy.Options{}), Source: dirSource(""),
		Feed: feed.New(feed.Options{Sinks: []brigade.Watcher{b.see}}), Owner: "next",
	})
	if err != nil {
		t.Fatal(err)
	}
	stop = serve(next)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(time.Millisecond) {
		build, _ = b.store.Build(context.Background(), "01hbuild")
		if build.State.Ended() || time.Now().After(deadline) {
			break
		}
	}
	stop(10 * time.Second)
	if build.State != brigade.StateSucceeded || build.Attempt != 2 {
		t.Errorf("build = %+v", build)
	}
}

func TestTokensInPayloadsAreMasked(t *testing.T) {
	b := newBench(t, func(_ context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		host.Log(brigade.LevelLog, "the token is ghs_installation123")
		return handled, nil
	}, nil)
	b.run(context.Background(), brigade.Event{Type: "check_run", Payload: `{"type":"check_run","token":"ghs_installation123","body":{}}`})
	if got := b.log(""); got != "the token is ***\n" {
		t.Errorf("log = %q", got)
	}
}

func TestJobsKnowTheirTrace(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for event, want := range map[string]bool{parent: true, "": false} {
		var seen string
		b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
			_, err := host.RunJob(ctx, spec("job"))
			return handled, err
		}, func(o *dispatch.Options) { o.Runner = envRunner{dummy.New(dummy.Options{}), &seen} })
		b.run(context.Background(), brigade.Event{Type: "exec", TraceParent: event})
		if got := strings.HasPrefix(seen, "00-0af7651916cd43dd8448eb211c80319c-"); got != want || seen == parent {
			t.Errorf("with %q: TRACEPARENT = %q", event, seen)
		}
		if _, kept := b.job("job").Spec.Env["TRACEPARENT"]; kept {
			t.Error("the place in the trace is part of the job's description")
		}
	}
}

// envRunner notes TRACEPARENT.
type envRunner struct {
	*dummy.Runner
	seen *string
}

func (e envRunner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	*e.seen = run.Job.Spec.Env["TRACEPARENT"].Value
	return e.Runner.Start(ctx, run)
}

func TestTimeLimitCountsOverRestarts(t *testing.T) {
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
		<-ctx.Done()
		return brigade.ScriptResult{}, ctx.Err()
	}, nil)
	b.project.Limits.Timeout = brigade.Duration(time.Hour)
	id := b.submit(brigade.Event{Type: "exec"})
	if _, err := b.store.UpdateBuild(context.Background(), id, func(build *brigade.Build) error {
		build.State, build.Attempt, build.Started = brigade.StateRunning, 1, time.Now().Add(-2*time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	build, err := b.d.RunBuild(context.Background(), id, b.project)
	if err != nil || build.State != brigade.StateFailed || !strings.Contains(build.Failure.Message, "longer than the 1h0m0s") {
		t.Errorf("build = %+v, %v", build, err)
	}
}

// What a build waits before a retry is none of its time limit.
func TestTimeLimitDoesNotCountTheWaitForARetry(t *testing.T) {
	fails := true
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
		if fails {
			return brigade.ScriptResult{Handled: true, ExitCode: 1}, nil
		}
		if err := ctx.Err(); err != nil {
			return brigade.ScriptResult{}, err
		}
		return handled, nil
	}, nil)
	ctx := context.Background()
	b.project.Limits.Timeout = brigade.Duration(time.Hour)
	b.project.Retry = &brigade.Retry{Limit: 1, Backoff: brigade.Duration(time.Nanosecond)}
	id := b.submit(brigade.Event{Type: "exec"})
	build, err := b.d.RunBuild(ctx, id, b.project)
	if err != nil || build.State != brigade.StatePending {
		t.Fatalf("after the failure: %+v, %v", build, err)
	}
	fails = false
	if _, err := b.store.UpdateBuild(ctx, id, func(build *brigade.Build) error { // as if that was long ago
		build.Started, build.RetriedAt, build.NotBefore = build.Started.Add(-3*time.Hour), build.RetriedAt.Add(-2*time.Hour), time.Time{}
		for i := range build.History {
			build.History[i].Time = build.History[i].Time.Add(-2 * time.Hour)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	build, err = b.d.RunBuild(ctx, id, b.project)
	if err != nil || build.State != brigade.StateSucceeded {
		t.Errorf("the retry: %+v, %v", build, err)
	}
}

// losing is a runner that loses a job's first attempts, as a cluster does whose
// nodes go away.
type losing struct {
	brigade.Runner
	lose int
	ran  *atomic.Int32
}

func (l losing) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	running, err := l.Runner.Start(ctx, run)
	if int(l.ran.Add(1)) > l.lose || err != nil {
		return running, err
	}
	return lostExecution{running}, nil
}

type lostExecution struct{ brigade.Execution }

func (l lostExecution) Wait(ctx context.Context) (brigade.Exit, error) {
	_, _ = l.Execution.Wait(ctx)
	return brigade.Exit{}, brigade.Errorf(brigade.CodeJobLost, "its node is gone")
}

// A job that is lost without its own fault runs again, unless its script says
// that it must not.
func TestALostJobRunsAgain(t *testing.T) {
	for name, c := range map[string]struct {
		lose  int
		retry *brigade.Retry
		runs  int32
		state brigade.State
	}{
		"once":           {1, nil, 2, brigade.StateSucceeded},
		"always":         {99, nil, 3, brigade.StateFailed},
		"never again":    {99, &brigade.Retry{Limit: 0}, 1, brigade.StateFailed},
		"as it was told": {99, &brigade.Retry{Limit: 1, Backoff: 1}, 2, brigade.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs := new(atomic.Int32)
			b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
				s := spec("job")
				s.Retry = c.retry
				if _, err := host.RunJob(ctx, s); err != nil {
					return brigade.ScriptResult{Handled: true, ExitCode: 1, Failure: asBrigade(err)}, nil
				}
				return handled, nil
			}, func(o *dispatch.Options) { o.Runner = losing{dummy.New(dummy.Options{}), c.lose, runs} })
			build := b.run(context.Background(), brigade.Event{Type: "exec"})
			if build.State != c.state || runs.Load() != c.runs {
				t.Errorf("%s after %d runs, want %s after %d: %v", build.State, runs.Load(), c.state, c.runs, build.Failure)
			}
		})
	}
}
