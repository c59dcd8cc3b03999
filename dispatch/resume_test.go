package dispatch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/runner/dummy"
)

// resume runs a build that an earlier process left with one job and its log.
// The script asks for the job once; what it got is returned.
func resume(t *testing.T, before brigade.Job, log []string, ask brigade.JobSpec, change func(*dispatch.Options)) (*bench, brigade.JobResult) {
	t.Helper()
	ctx := context.Background()
	var got brigade.JobResult
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		var err error
		if got, err = host.RunJob(ctx, ask); err != nil {
			t.Errorf("%s: %v", ask.Name, err)
		}
		return handled, nil
	}, change)
	id := b.submit(brigade.Event{Type: "exec"})
	if _, err := b.store.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		b.Attempt, b.State = 1, brigade.StateRunning
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before.ID, before.BuildID, before.Name, before.Created = ask.Name+"-"+id, id, ask.Name, time.Now()
	if before.Spec.Name == "" {
		before.Spec = ask.WithDefaults()
	}
	if err := b.store.PutJob(ctx, &before); err != nil {
		t.Fatal(err)
	}
	for i, text := range log {
		if err := b.store.AppendLog(ctx, []brigade.LogLine{{BuildID: id, JobID: before.ID, Seq: int64(i + 1), Text: text}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.d.RunBuild(ctx, id, b.project); err != nil {
		t.Fatal(err)
	}
	return b, got
}

// A result from before is that of the last attempt, to the last byte.
func TestRecordedResultIsThatOfTheLastAttempt(t *testing.T) {
	log := []string{"half", "— attempt 2 —", "whole"}
	for want, bytes := range map[string]int64{"whole\n": 6, "whole": 5} {
		_, got := resume(t, brigade.Job{State: brigade.StateSucceeded, Attempt: 2, LogFrom: 2, LogBytes: bytes}, log, spec("job"), nil)
		if got.Output != want {
			t.Errorf("output = %q, want %q", got.Output, want)
		}
	}
}

// The log of a job that is run again says so, and its result is its own.
func TestAnotherAttemptHasAResultOfItsOwn(t *testing.T) {
	b, got := resume(t, brigade.Job{State: brigade.StateRunning, Attempt: 1}, []string{"half"}, spec("job", "DUMMY_OUTPUT", `whole\n`), nil)
	if got.Output != "whole\n" {
		t.Errorf("output = %q", got.Output)
	}
	if j := b.job("job"); j.Attempt != 2 || j.LogFrom != 2 {
		t.Errorf("job = %+v", j)
	}
	if log := b.log("job-01hbuild"); log != "half\n— attempt 2 —\nwhole\n" {
		t.Errorf("log = %q", log)
	}
}

// finder finds jobs again, as a container engine does.
type finder struct {
	*dummy.Runner
	known    string // the handle it knows
	attached *atomic.Int32
	started  *atomic.Int32
}

func (f finder) Attach(ctx context.Context, run brigade.JobRun, handle string) (brigade.Execution, error) {
	if handle != "" && handle != f.known {
		return nil, brigade.Errorf(brigade.CodeJobLost, "there is no %s", handle)
	}
	f.attached.Add(1)
	return f.Runner.Start(ctx, run)
}

func (f finder) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	f.started.Add(1)
	return f.Runner.Start(ctx, run)
}

func TestJobFoundAgainIsTheSameAttempt(t *testing.T) {
	for _, c := range []struct {
		name, handle      string
		attempt           int
		attached, started int32
		log               string
	}{
		{"found", "here", 1, 1, 0, "one\ntwo\n"},
		{"found without a handle", "", 1, 1, 0, "one\ntwo\n"},
		{"lost", "gone", 2, 0, 1, "one\n— attempt 2 —\none\ntwo\n"},
	} {
		f := finder{dummy.New(dummy.Options{}), "here", new(atomic.Int32), new(atomic.Int32)}
		before := brigade.Job{State: brigade.StateRunning, Attempt: 1, Handle: c.handle}
		b, got := resume(t, before, []string{"one"}, spec("job", "DUMMY_OUTPUT", `one\ntwo\n`), func(o *dispatch.Options) { o.Runner = f })
		j := b.job("job")
		if j.Attempt != c.attempt || f.attached.Load() != c.attached || f.started.Load() != c.started || j.State != brigade.StateSucceeded {
			t.Errorf("%s: %d found, %d started, %+v", c.name, f.attached.Load(), f.started.Load(), j)
		}
		if log := b.log(j.ID); log != c.log || got.Output != "one\ntwo\n" {
			t.Errorf("%s: log = %q, output = %q", c.name, log, got.Output)
		}
	}
}

// A job in flight that the script describes differently now is stopped.
func TestJobInFlightThatChangedIsStopped(t *testing.T) {
	f := finder{dummy.New(dummy.Options{}), "here", new(atomic.Int32), new(atomic.Int32)}
	old := spec("job", "DUMMY_SLEEP", "1h").WithDefaults()
	before := brigade.Job{State: brigade.StateRunning, Attempt: 1, Handle: "here", Spec: old}
	b, _ := resume(t, before, nil, spec("job"), func(o *dispatch.Options) { o.Runner = f })
	if j := b.job("job"); j.Attempt != 2 || f.attached.Load() != 1 || f.started.Load() != 1 {
		t.Errorf("%d found, %d started, %+v", f.attached.Load(), f.started.Load(), j)
	}
}

// A job that failed and has tries left goes on trying after a restart, and not
// from the beginning.
func TestRetriesGoOnAfterARestart(t *testing.T) {
	ask := spec("job", "DUMMY_EXIT_CODE", "1")
	ask.Fallible, ask.Retry = true, &brigade.Retry{Limit: 2, Backoff: brigade.Duration(time.Millisecond)}
	failed := brigade.Job{State: brigade.StateFailed, Attempt: 2, Retries: 1, ExitCode: 1, Failure: brigade.Errorf(brigade.CodeBuildFailed, "no")}
	b, _ := resume(t, failed, nil, ask, nil)
	if j := b.job("job"); j.Attempt != 3 || j.Retries != 2 {
		t.Errorf("job = %+v", j)
	}
	failed.Attempt, failed.Retries = 3, 2
	b, _ = resume(t, failed, nil, ask, nil)
	if j := b.job("job"); j.Attempt != 3 {
		t.Errorf("it ran again: %+v", j)
	}
}

// A clock that was set back between the failure of a job and the retry of its
// build does not make the failed job count as done.
func TestBuildRetryDoesNotTrustTheClock(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		_, err := host.RunJob(ctx, spec("job"))
		return handled, err
	}, nil)
	id := b.submit(brigade.Event{Type: "exec"})
	now := time.Now()
	if _, err := b.store.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		b.Attempt, b.Retries, b.RetriedAt = 1, 1, now.Add(-time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	failed := &brigade.Job{ID: "job-" + id, BuildID: id, Name: "job", Spec: spec("job").WithDefaults(), State: brigade.StateFailed, Attempt: 1, Created: now, Ended: now}
	if err := b.store.PutJob(ctx, failed); err != nil {
		t.Fatal(err)
	}
	if build, err := b.d.RunBuild(ctx, id, b.project); err != nil || build.State != brigade.StateSucceeded {
		t.Errorf("build = %+v, %v", build, err)
	}
}

// refusing is a store that refuses to write down the end of jobs for a while.
type refusing struct {
	brigade.Store
	left *atomic.Int32
}

func (s refusing) PutJob(ctx context.Context, j *brigade.Job) error {
	if j.State.Ended() && s.left.Add(-1) >= 0 {
		return brigade.Errorf(brigade.CodeStore, "the disk is full")
	}
	return s.Store.PutJob(ctx, j)
}

func (s refusing) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	if s.left.Add(-1) >= 0 {
		return brigade.Errorf(brigade.CodeStore, "the disk is full")
	}
	return s.Store.AppendLog(ctx, lines)
}

func TestWritesAreRepeatedWhileTheStoreRefuses(t *testing.T) {
	for _, patience := range []time.Duration{time.Minute, 0} {
		ran := map[string]int{}
		left := new(atomic.Int32)
		left.Store(4)
		b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
			if _, err := host.RunJob(ctx, spec("job", "DUMMY_OUTPUT", "kept")); err != nil {
				return brigade.ScriptResult{Handled: true, ExitCode: 1, Failure: asBrigade(err)}, nil
			}
			return handled, nil
		}, func(o *dispatch.Options) {
			o.Store = refusing{o.Store, left}
			o.Patience = patience
			o.Runner = countingRunner{dummy.New(dummy.Options{}), newMutex(), ran}
		})
		build := b.run(context.Background(), brigade.Event{Type: "exec"})
		if want := map[bool]brigade.State{true: brigade.StateSucceeded, false: brigade.StateFailed}[patience > 0]; build.State != want || ran["job"] != 1 {
			t.Errorf("patience %s: build = %+v, runs %v", patience, build, ran)
		}
		if patience > 0 && b.log("job-01hbuild") != "kept\n" {
			t.Errorf("log = %q", b.log("job-01hbuild"))
		}
	}
}

// crowded is a runner that cannot start jobs while there is no room.
type crowded struct {
	*dummy.Runner
	full *atomic.Bool
}

func (c crowded) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if c.full.Load() {
		return nil, brigade.Errorf(brigade.CodeJobStart, "no space left on device")
	}
	return c.Runner.Start(ctx, run)
}

func TestJobsWaitForRoom(t *testing.T) {
	full := new(atomic.Bool)
	full.Store(true)
	var asked atomic.Int32
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		_, err := host.RunJob(ctx, spec("job"))
		return handled, err
	}, func(o *dispatch.Options) {
		o.Runner = crowded{dummy.New(dummy.Options{}), full}
		o.Room = func() error {
			if asked.Add(1) > 2 {
				full.Store(false)
				return nil
			}
			return errors.New("the disk is full")
		}
	})
	if build := b.run(context.Background(), brigade.Event{Type: "exec"}); build.State != brigade.StateSucceeded {
		t.Errorf("build = %+v", build)
	}
	if j := b.job("job"); j.Attempt != 1 {
		t.Errorf("job = %+v", j)
	}
}

// silent is a store whose logs cannot be read for a while.
type silent struct {
	brigade.Store
	left *atomic.Int32
}

func (s silent) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if q.JobID != "" && s.left.Add(-1) >= 0 {
		return nil, brigade.Errorf(brigade.CodeUnavailable, "the cluster cannot be reached")
	}
	return s.Store.ReadLog(ctx, q)
}

// The result of a job that is done already is in its log, which may be out of
// reach for a while: the job has not failed for that.
func TestLogsOfJobsThatAreDoneAreWaitedFor(t *testing.T) {
	for _, state := range []brigade.State{brigade.StateSucceeded, brigade.StateRunning} {
		left := new(atomic.Int32)
		left.Store(3)
		_, got := resume(t, brigade.Job{State: state, Attempt: 1, LogBytes: 5}, []string{"kept"}, spec("job", "DUMMY_OUTPUT", "kept\n"), func(o *dispatch.Options) {
			o.Store = silent{o.Store, left}
			o.Patience = time.Minute
		})
		if got.Output != "kept\n" || left.Load() >= 0 {
			t.Errorf("%s: the result is %q; %d reads are left to fail", state, got.Output, left.Load())
		}
	}
}
