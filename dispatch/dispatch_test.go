package dispatch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/runner/dummy"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// scriptFunc is a script written in Go.
type scriptFunc func(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error)

func (f scriptFunc) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	return f(ctx, run, host)
}

var handled = brigade.ScriptResult{Handled: true}

type dirSource string

func (d dirSource) Fetch(context.Context, *brigade.Project, *brigade.Build, func(string)) (dispatch.Tree, error) {
	return dispatch.Tree{Dir: string(d)}, nil
}

// bench is a dispatcher and what was seen of its work.
type bench struct {
	t       *testing.T
	store   brigade.Store
	project *brigade.Project
	d       *dispatch.Dispatcher

	mu      sync.Mutex
	changes []brigade.Change
}

func newBench(t *testing.T, script scriptFunc, change func(*dispatch.Options)) *bench {
	t.Helper()
	b := &bench{t: t, store: memory.New(memory.Options{}), project: brigade.NewProject("acme/app")}
	b.project.DefaultScript = "// the default script"
	opt := dispatch.Options{
		Store: b.store, Worker: script, Runner: dummy.New(dummy.Options{}), Source: dirSource(""),
		Feed: feed.New(feed.Options{Sinks: []brigade.Watcher{b.see}}), Owner: t.Name(), Grace: 50 * time.Millisecond,
	}
	if change != nil {
		change(&opt)
	}
	var err error
	if b.d, err = dispatch.New(opt); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) see(c brigade.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = append(b.changes, c)
}

func (b *bench) submit(e brigade.Event) string {
	b.t.Helper()
	build := &brigade.Build{ID: "01hbuild", ProjectID: b.project.ID, Project: b.project.Name, Event: e, State: brigade.StatePending, Created: time.Now()}
	if _, err := b.store.CreateBuild(context.Background(), build); err != nil {
		b.t.Fatal(err)
	}
	return build.ID
}

func (b *bench) run(ctx context.Context, e brigade.Event) *brigade.Build {
	b.t.Helper()
	build, err := b.d.RunBuild(ctx, b.submit(e), b.project)
	if err != nil {
		b.t.Fatal(err)
	}
	stored, err := b.store.Build(context.Background(), build.ID)
	if err != nil || stored.State != build.State || !stored.State.Ended() || stored.Ended.IsZero() {
		b.t.Fatalf("the stored build is %+v (%v)", stored, err)
	}
	return build
}

func (b *bench) job(name string) *brigade.Job {
	b.t.Helper()
	jobs, err := b.store.ListJobs(context.Background(), "01hbuild")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range jobs {
		if j.ID == name || j.Name == name {
			return j
		}
	}
	b.t.Fatalf("there is no job %s", name)
	return nil
}

func (b *bench) log(job string) string {
	b.t.Helper()
	lines, err := b.store.ReadLog(context.Background(), brigade.LogQuery{BuildID: "01hbuild", JobID: job})
	if err != nil {
		b.t.Fatal(err)
	}
	var text strings.Builder
	for i, l := range lines {
		if l.Seq != int64(i+1) {
			b.t.Errorf("line %d of %q has Seq %d", i, job, l.Seq)
		}
		text.WriteString(l.Text + "\n")
	}
	return text.String()
}

func spec(name string, env ...string) brigade.JobSpec {
	s := brigade.JobSpec{Name: name, Image: "alpine", Tasks: []string{"true"}, UseSource: true, Env: map[string]brigade.EnvValue{}}
	for i := 0; i+1 < len(env); i += 2 {
		s.Env[env[i]] = brigade.EnvValue{Value: env[i+1]}
	}
	return s
}

func TestJobsAndResults(t *testing.T) {
	b := newBench(t, func(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if run.Script != "// the default script" || run.Env["BRIGADE_EVENT_TYPE"] != "push" {
			t.Errorf("run = %+v", run)
		}
		host.Log(brigade.LevelLog, "hello")
		got, err := host.RunJob(ctx, spec("one", "DUMMY_OUTPUT", "printed", "DUMMY_OUTPUTS", `{"n": 3}`))
		if err != nil || strings.TrimSpace(got.Output) != "printed" || got.JobID != "one-01hbuild" || got.Outputs["n"] != 3.0 {
			t.Errorf("result = %+v, %v", got, err)
		}
		_, err = host.RunJob(ctx, spec("bad", "DUMMY_EXIT_CODE", "7"))
		if err == nil || err.Error() != "job bad(bad-01hbuild): it ended with exit code 7" {
			t.Errorf("err = %v", err)
		}
		again, err := host.RunJob(ctx, spec("one"))
		if err != nil || again.JobID != "one-01hbuild-2" {
			t.Errorf("a second job of the name: %+v, %v", again, err)
		}
		if text, err := host.JobLog(ctx, "one-01hbuild"); err != nil || strings.TrimSpace(text) != "printed" {
			t.Errorf("log = %q, %v", text, err)
		}
		return handled, nil
	}, nil)
	build := b.run(context.Background(), brigade.Event{Type: "push", Provider: "github"})
	if build.State != brigade.StateSucceeded || build.Runner != "dummy" || build.Attempt != 1 {
		t.Errorf("build = %+v", build)
	}
	if j := b.job("bad"); j.State != brigade.StateFailed || j.ExitCode != 7 || j.Failure == nil || j.Ended.IsZero() {
		t.Errorf("job = %+v", j)
	}
	if b.log("") != "hello\n" || b.log("one-01hbuild") != "printed\n" {
		t.Errorf("logs %q %q", b.log(""), b.log("one-01hbuild"))
	}
}

func TestSecretsAreMaskedEverywhere(t *testing.T) {
	const secret = "hunter2-hunter2"
	b := newBench(t, func(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		host.Log(brigade.LevelLog, "it is "+secret)
		host.Fired(brigade.Lifecycle{Name: "error", Reason: secret})
		s := spec("leaky", "PASSWORD", secret, "DUMMY_OUTPUT", "x "+secret+" y")
		s.Tasks = []string{"echo " + secret}
		got, err := host.RunJob(ctx, s)
		if err != nil || !strings.Contains(got.Output, secret) {
			t.Errorf("the script must see what the job printed: %+v, %v", got, err)
		}
		return brigade.ScriptResult{Failure: brigade.Errorf(brigade.CodeBuildFailed, "with %s", secret)}, nil
	}, nil)
	b.project.Secrets = map[string]any{"password": secret}
	b.project.DefaultScript = "const p = '" + secret + "'"
	build := b.run(context.Background(), brigade.Event{Type: "exec"})
	shown := []string{b.log(""), b.log("leaky-01hbuild"), build.Failure.Message, build.Script, b.job("leaky").Spec.Tasks[0], b.job("leaky").Spec.Env["PASSWORD"].Value}
	for _, c := range b.changes {
		if c.Fired != nil {
			shown = append(shown, c.Fired.Reason)
		}
		for _, l := range c.Lines {
			shown = append(shown, l.Text)
		}
	}
	for _, text := range shown {
		if strings.Contains(text, secret) || text == "" {
			t.Errorf("shown: %q", text)
		}
	}
}

func TestTimeout(t *testing.T) {
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		s := spec("slow", "DUMMY_SLEEP", "1h")
		s.Timeout = 30
		_, err := host.RunJob(ctx, s)
		if err == nil || err.Error() != "job slow(slow-01hbuild): time limit (30 ms) exceeded" {
			t.Errorf("err = %v", err)
		}
		return brigade.ScriptResult{Handled: true, ExitCode: 1, Failure: asBrigade(err)}, nil
	}, nil)
	build := b.run(context.Background(), brigade.Event{Type: "exec"})
	if build.Failure == nil || build.Failure.Code != brigade.CodeJobTimeout || b.job("slow").State != brigade.StateFailed {
		t.Errorf("build = %+v, job = %+v", build, b.job("slow"))
	}
}

func asBrigade(err error) *brigade.Error {
	var e *brigade.Error
	errors.As(err, &e)
	return e
}

func TestCancelStopsJobs(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		go func() { _, _ = host.RunJob(context.Background(), spec("long", "DUMMY_SLEEP", "1h")) }()
		<-ctx.Done()
		return brigade.ScriptResult{}, ctx.Err()
	}, nil)
	go func() {
		for {
			jobs, _ := b.store.ListJobs(context.Background(), "01hbuild")
			if len(jobs) == 1 && jobs[0].State == brigade.StateRunning {
				cancel(brigade.Errorf(brigade.CodeCanceled, "somebody said so"))
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	build := b.run(ctx, brigade.Event{Type: "exec"})
	if build.State != brigade.StateCanceled || build.Failure.Message != "somebody said so" || build.ExitCode != brigade.ExitCanceled {
		t.Errorf("build = %+v", build)
	}
	if j := b.job("long"); j.State != brigade.StateCanceled {
		t.Errorf("job = %+v", j)
	}
}

func TestWorkerCrashStopsJobsAndFails(t *testing.T) {
	crash := brigade.Errorf(brigade.CodeScriptCrashed, "it is gone")
	b := newBench(t, func(_ context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		started := make(chan struct{})
		go func() {
			close(started)
			_, _ = host.RunJob(context.Background(), spec("orphan", "DUMMY_SLEEP", "1h"))
		}()
		<-started
		return brigade.ScriptResult{}, crash
	}, nil)
	build := b.run(context.Background(), brigade.Event{Type: "exec"})
	if build.State != brigade.StateFailed || build.Failure.Code != brigade.CodeScriptCrashed || build.ExitCode != 1 {
		t.Errorf("build = %+v", build)
	}
}

func TestForbidden(t *testing.T) {
	for name, c := range map[string]struct {
		spec func(*brigade.JobSpec)
		want string
	}{
		"privileged": {func(s *brigade.JobSpec) { s.Privileged = true }, "allowPrivilegedJobs"},
		"socket":     {func(s *brigade.JobSpec) { s.Docker.Enabled = true }, "allowHostMounts"},
		"host path": {func(s *brigade.JobSpec) {
			s.Volumes = []brigade.Volume{{Name: "v", HostPath: &brigade.HostPath{Path: "/"}}}
		}, "allowHostMounts"},
		"secret reference": {func(s *brigade.JobSpec) {
			s.Env["X"] = brigade.EnvValue{SecretKeyRef: &brigade.KeyRef{Name: "a", Key: "b"}}
		}, "allowSecretKeyRef"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
				s := spec("wants")
				c.spec(&s)
				_, err := host.RunJob(ctx, s)
				if e := asBrigade(err); e == nil || e.Code != brigade.CodeJobForbidden || !strings.Contains(e.Hint, c.want) {
					t.Errorf("err = %#v", err)
				}
				return handled, nil
			}, nil)
			b.project.AllowPrivilegedJobs = false
			b.run(context.Background(), brigade.Event{Type: "exec"})
			if j := b.job("wants"); j.State != brigade.StateFailed || !j.Started.IsZero() {
				t.Errorf("job = %+v", j)
			}
		})
	}
}

func TestUntrustedEventsSeeNoSecrets(t *testing.T) {
	b := newBench(t, func(_ context.Context, run brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
		if len(run.Project.Secrets) > 0 || run.Env["BRIGADE_REPO_AUTH_TOKEN"] != "" {
			t.Errorf("a fork sees %v", run.Project.Secrets)
		}
		return handled, nil
	}, nil)
	b.project.Secrets = map[string]any{"a": "secret-value"}
	b.project.Repo.Token = "token-value"
	b.run(context.Background(), brigade.Event{Type: "pull_request", Untrusted: true})
}

// forkSource has another directory for the base branch.
type forkSource struct{ fork, base string }

func (f forkSource) Fetch(_ context.Context, _ *brigade.Project, b *brigade.Build, _ func(string)) (dispatch.Tree, error) {
	if b.Event.Revision.Ref == "main" && b.Event.CloneURL == "" {
		return dispatch.Tree{Dir: f.base}, nil
	}
	return dispatch.Tree{Dir: f.fork}, nil
}

func TestForksDoNotBringTheirScript(t *testing.T) {
	fork, base := t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{fork: "// evil", base: "// trusted"} {
		if err := os.WriteFile(filepath.Join(dir, "brigade.js"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, func(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if run.Script != "// trusted" || run.Root != base {
			t.Errorf("the script is %q, its modules come from %s", run.Script, run.Root)
		}
		_, err := host.RunJob(ctx, spec("job"))
		return handled, err
	}, func(o *dispatch.Options) {
		o.Source = forkSource{fork, base}
		o.Runner = sourceRunner{dummy.New(dummy.Options{}), t, fork}
	})
	b.run(context.Background(), brigade.Event{Type: "pull_request", ScriptRef: "main", CloneURL: "https://example.com/fork", Revision: brigade.Revision{Ref: "refs/pull/1/head"}})
}

// sourceRunner checks which files a job gets.
type sourceRunner struct {
	*dummy.Runner
	t    *testing.T
	want string
}

func (s sourceRunner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if run.Source != s.want {
		s.t.Errorf("the job gets the files of %s", run.Source)
	}
	return s.Runner.Start(ctx, run)
}

func TestMaxJobs(t *testing.T) {
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		var jobs sync.WaitGroup
		for range 6 {
			jobs.Go(func() { _, _ = host.RunJob(ctx, spec("many", "DUMMY_SLEEP", "5ms")) })
		}
		jobs.Wait()
		return handled, nil
	}, func(o *dispatch.Options) { o.MaxJobs = 2 })
	b.run(context.Background(), brigade.Event{Type: "exec"})
	running, most := 0, 0
	for _, c := range b.changes {
		if c.Job != nil && c.Job.State == brigade.StateRunning {
			running++
			most = max(most, running)
		}
		if c.Job != nil && c.Job.State.Ended() {
			running--
		}
	}
	if most > 2+1 || running != 0 { // an end is told after its slot is free
		t.Errorf("%d jobs ran at once", most)
	}
}

func TestRestartUsesFinishedJobs(t *testing.T) {
	ran := map[string]int{}
	var mu sync.Mutex
	b := newBench(t, nil, nil)
	script := func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		got, err := host.RunJob(ctx, spec("done", "DUMMY_OUTPUT", "fresh"))
		if err != nil || got.Output != "kept\n" || got.Outputs["k"] != "v" {
			t.Errorf("the finished job: %+v, %v", got, err)
		}
		_, err = host.RunJob(ctx, spec("failed"))
		if err == nil || err.Error() != "job failed(failed-01hbuild): it broke" {
			t.Errorf("the failed job: %v", err)
		}
		got, err = host.RunJob(ctx, spec("changed", "DUMMY_OUTPUT", "new"))
		if err != nil || strings.TrimSpace(got.Output) != "new" {
			t.Errorf("the job with another spec: %+v, %v", got, err)
		}
		got, err = host.RunJob(ctx, spec("flying", "DUMMY_OUTPUT", "again"))
		if err != nil || strings.TrimSpace(got.Output) != "again" {
			t.Errorf("the job in flight: %+v, %v", got, err)
		}
		return handled, nil
	}
	b.d, _ = dispatch.New(dispatch.Options{
		Store: b.store, Worker: scriptFunc(script), Runner: countingRunner{dummy.New(dummy.Options{}), &mu, ran}, Source: dirSource(""),
		Feed: feed.New(feed.Options{Sinks: []brigade.Watcher{b.see}}), Owner: "second",
	})
	ctx := context.Background()
	id := b.submit(brigade.Event{Type: "exec"})
	if _, err := b.store.Claim(ctx, id, "first", time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	put := func(s brigade.JobSpec, state brigade.State, failure *brigade.Error) {
		s = s.WithDefaults()
		j := &brigade.Job{ID: s.Name + "-" + id, BuildID: id, Name: s.Name, Spec: s, State: state, Failure: failure, Attempt: 1, Created: time.Now(), Ended: time.Now(), Outputs: map[string]any{"k": "v"}}
		if err := b.store.PutJob(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	put(spec("done", "DUMMY_OUTPUT", "fresh"), brigade.StateSucceeded, nil)
	put(spec("failed"), brigade.StateFailed, brigade.Errorf(brigade.CodeBuildFailed, "it broke"))
	put(spec("changed", "DUMMY_OUTPUT", "old"), brigade.StateSucceeded, nil)
	put(spec("flying", "DUMMY_OUTPUT", "again"), brigade.StateRunning, nil)
	if err := b.store.AppendLog(ctx, []brigade.LogLine{{BuildID: id, JobID: "done-" + id, Seq: 1, Text: "kept"}}); err != nil {
		t.Fatal(err)
	}
	build, err := b.d.RunBuild(ctx, id, b.project)
	if err != nil || build.State != brigade.StateSucceeded || build.Attempt != 2 {
		t.Fatalf("build = %+v, %v", build, err)
	}
	if ran["done"] != 0 || ran["failed"] != 0 || ran["changed"] != 1 || ran["flying"] != 1 {
		t.Errorf("started: %v", ran)
	}
	if j := b.job("flying"); j.Attempt != 2 {
		t.Errorf("the job in flight has attempt %d", j.Attempt)
	}
}

type countingRunner struct {
	*dummy.Runner
	mu  *sync.Mutex
	ran map[string]int
}

func (c countingRunner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	c.mu.Lock()
	c.ran[run.Job.Name]++
	c.mu.Unlock()
	return c.Runner.Start(ctx, run)
}

func TestLogCap(t *testing.T) {
	b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		got, err := host.RunJob(ctx, spec("loud", "DUMMY_OUTPUT", strings.Repeat("0123456789\\n", 1000)))
		if err != nil || len(got.Output) != 200 || !got.Truncated {
			t.Errorf("result of %d bytes, truncated %v, %v", len(got.Output), got.Truncated, err)
		}
		return handled, nil
	}, func(o *dispatch.Options) { o.LogCap = 200 })
	b.run(context.Background(), brigade.Event{Type: "exec"})
	log := strings.Split(strings.TrimSpace(b.log("loud-01hbuild")), "\n")
	if len(log) > 20 || !strings.Contains(log[len(log)-1], "capped at 200 bytes") || !b.job("loud").Truncated {
		t.Errorf("kept %d lines, the last is %q", len(log), log[len(log)-1])
	}
	shown := 0
	for _, c := range b.changes {
		shown += len(c.Lines)
	}
	if shown < 1000 {
		t.Errorf("only %d lines were shown live", shown)
	}
}

func newMutex() *sync.Mutex { return &sync.Mutex{} }
