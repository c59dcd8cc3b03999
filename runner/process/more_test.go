package process_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/process"
)

// job makes a run of a few tasks; change may alter the spec.
func job(build string, log io.Writer, change func(*brigade.JobSpec), tasks ...string) brigade.JobRun {
	spec := brigade.JobSpec{Name: "job", Image: "alpine:3.20", Tasks: tasks, UseSource: true, Env: map[string]brigade.EnvValue{}}.WithDefaults()
	if change != nil {
		change(&spec)
	}
	return brigade.JobRun{
		Job:   &brigade.Job{ID: spec.Name + "-" + build, BuildID: build, Name: spec.Name, Spec: spec},
		Build: &brigade.Build{ID: build}, Project: brigade.NewProject("acme/app"), Log: log,
	}
}

// output runs a job and returns what it printed and how it ended.
func output(t testing.TB, r brigade.Runner, run brigade.JobRun) (string, brigade.Exit) {
	t.Helper()
	var log strings.Builder
	run.Log = &log
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	t.Cleanup(func() {
		if err := r.EndBuild(context.Background(), run.Job.BuildID); err != nil {
			t.Errorf("EndBuild: %v", err)
		}
	})
	e, err := r.Start(ctx, run)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	exit, err := e.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return log.String(), exit
}

func TestRefused(t *testing.T) {
	other := "windows"
	for _, plain := range []bool{true, false} {
		r := newRunner(t, plain)
		for name, tt := range map[string]struct {
			change func(*brigade.JobSpec)
			text   string
		}{
			"secret": {func(s *brigade.JobSpec) {
				s.Env["A"] = brigade.EnvValue{SecretKeyRef: &brigade.KeyRef{Name: "n", Key: "k"}}
			}, "variable A from the cluster"},
			"field":     {func(s *brigade.JobSpec) { s.Env["A"] = brigade.EnvValue{FieldPath: "status.podIP"} }, "variable A from the cluster"},
			"no tasks":  {func(s *brigade.JobSpec) { s.Tasks = nil; s.Args = []string{"x"} }, "has no tasks"},
			"env name":  {func(s *brigade.JobSpec) { s.Env["A=B"] = brigade.EnvValue{} }, "impossible name"},
			"env value": {func(s *brigade.JobSpec) { s.Env["A"] = brigade.EnvValue{Value: "\x00"} }, "NUL"},
			"arg":       {func(s *brigade.JobSpec) { s.Args = []string{"\x00"} }, "NUL"},
			"os":        {func(s *brigade.JobSpec) { s.Host.OS = other }, "run on windows"},
			"shell":     {func(s *brigade.JobSpec) { s.Shell = "/bin/no-such-shell" }, "/bin/no-such-shell"},
			"dev":       {func(s *brigade.JobSpec) { s.MountPath = "/dev/x" }, "/dev/x"},
			"memory":    {func(s *brigade.JobSpec) { s.ResourceLimits.Memory = "lots" }, "lots"},
			"cpu":       {func(s *brigade.JobSpec) { s.ResourceLimits.CPU = "-1" }, "-1"},
			"name":      {func(s *brigade.JobSpec) { s.Name = "../../x" }, "no valid name"},
			"config map": {func(s *brigade.JobSpec) {
				s.Volumes = []brigade.Volume{{Name: "v"}}
				s.VolumeMounts = []brigade.VolumeMount{{Name: "v", MountPath: "/v"}}
			}, "only a cluster"},
			"long env": {func(s *brigade.JobSpec) { s.Env["A"] = brigade.EnvValue{Value: strings.Repeat("x", 4<<20)} }, "argument list too long"},
		} {
			_, err := r.Start(t.Context(), job("b1", io.Discard, tt.change, "echo never"))
			if brigade.CodeOf(err) != brigade.CodeJobStart || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("plain %v, %s: %v; want a start failure that says %q", plain, name, err, tt.text)
			}
		}
		if err := r.EndBuild(t.Context(), "b1"); err != nil {
			t.Error(err)
		}
	}
}

func TestNotice(t *testing.T) {
	r := newRunner(t, false)
	run := job("b1", io.Discard, func(s *brigade.JobSpec) {
		s.Privileged, s.ServiceAccount, s.Host.Name = true, "builder", "node-1"
		s.ResourceLimits.CPU = "500m"
	}, "true")
	var mu sync.Mutex
	var said string
	run.Notify = func(_ brigade.State, message string) {
		mu.Lock()
		defer mu.Unlock()
		said += message
	}
	output(t, r, run)
	for _, want := range []string{"host.name, privileged, serviceAccount has no effect", "cpu limit 500m"} {
		if !strings.Contains(said, want) {
			t.Errorf("the notice is %q, want it to say %q", said, want)
		}
	}
}

// TestFallbackShell names a shell where this machine does not have it.
func TestFallbackShell(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "rare-shell"), []byte("#!/bin/sh\necho rare; exec sh \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := process.New(process.Options{StateDir: t.TempDir(), ForcePlain: true, Environ: []string{"PATH=" + bin + ":/usr/bin:/bin", "SECRET=x"}})
	out, exit := output(t, r, job("b1", nil, func(s *brigade.JobSpec) { s.Shell = "/bin/rare-shell" }, `echo "${SECRET-none}"`))
	if out != "rare\nnone\n" || exit.Code != 0 {
		t.Errorf("output %q, exit %+v", out, exit)
	}
}

func TestWorkingDirectoryAndHome(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "file"), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{true, false} {
		r := newRunner(t, plain)
		run := job("b1", nil, nil, "cat file", "echo x > $HOME/x", `case $(pwd) in "$HOME"*) exit 1;; esac`)
		run.Source = source
		if out, exit := output(t, r, run); out != "x\n" || exit.Code != 0 {
			t.Errorf("plain %v, with source: output %q, exit %d", plain, out, exit.Code)
		}
		if out, exit := output(t, r, job("b1", nil, nil, `[ "$(pwd)" = "$HOME" ]`, "ls -A")); out != "" || exit.Code != 0 {
			t.Errorf("plain %v, without source: output %q, exit %d", plain, out, exit.Code)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is watched on Linux only")
	}
	for _, plain := range []bool{true, false} {
		r := newRunner(t, plain)
		limit := func(s *brigade.JobSpec) { s.ResourceLimits.Memory = "48Mi" }
		// tail keeps a last line that never ends, in a child of a child.
		begin := time.Now()
		out, exit := output(t, r, job("b1", nil, limit, `(head -c 400000000 /dev/zero | tail -n 1 > /dev/null; sleep 30) & wait`))
		if exit.Code != 137 || !strings.Contains(exit.Reason, "out of memory") || time.Since(begin) > 20*time.Second {
			t.Errorf("plain %v: exit %d, reason %q after %v\n%s", plain, exit.Code, exit.Reason, time.Since(begin), out)
		}
		if _, exit := output(t, r, job("b1", nil, limit, "sleep 0.5")); exit.Code != 0 || exit.Reason != "" {
			t.Errorf("plain %v: a small job exited %+v", plain, exit)
		}
	}
}

func TestStateWithinSource(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "file, with: odd\\name"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{true, false} {
		r := process.New(process.Options{StateDir: filepath.Join(source, ".brigade", "state"), ForcePlain: plain})
		run := job("b1", nil, nil, "cat file*", "echo y > new", "ls -A .brigade")
		run.Source = source
		if out, exit := output(t, r, run); !strings.HasPrefix(out, "x\n") || strings.Contains(out, "builds") || exit.Code != 0 {
			t.Errorf("plain %v: output %q, exit %d", plain, out, exit.Code)
		}
	}
}

func TestSweepOfDeadPrograms(t *testing.T) {
	dir := t.TempDir()
	r := process.New(process.Options{StateDir: dir, ForcePlain: true})
	own := process.StartTime(os.Getppid())
	if own == "" {
		t.Skip("processes cannot be told apart here")
	}
	leftover := func(id string, pid int, start string) string {
		path := filepath.Join(dir, "builds", id)
		// A directory like the one an overlay leaves.
		work := filepath.Join(path, "jobs", "job-1", "work", "work")
		if err := os.MkdirAll(work, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, "x"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(work, 0); err != nil {
			t.Fatal(err)
		}
		if err := process.WriteIdentity(filepath.Join(path, "owner"), pid, start); err != nil {
			t.Fatal(err)
		}
		return path
	}
	others := leftover("others", os.Getppid(), own)          // still runs
	recycled := leftover("recycled", os.Getppid(), "1-gone") // its number is another's by now
	dead := leftover("dead", 1<<30, "1-gone")
	// A plain job of a dead program: its process still runs; and a number that
	// is another process's by now, which is the test's parent.
	cmd := sleeper(t)
	for name, id := range map[string]struct {
		pid   int
		start string
	}{"job-1": {cmd.Process.Pid, process.StartTime(cmd.Process.Pid)}, "job-2": {os.Getppid(), "1-gone"}} {
		if err := os.MkdirAll(filepath.Join(dead, "jobs", name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := process.WriteIdentity(filepath.Join(dead, "jobs", name, "pid"), id.pid, id.start); err != nil {
			t.Fatal(err)
		}
	}
	n, err := r.Sweep(t.Context(), func(string) bool { return false })
	if n != 2 || err != nil {
		t.Errorf("Sweep removed %d, error %v; want 2", n, err)
	}
	for path, want := range map[string]bool{others: true, recycled: false, dead: false} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the leftover job ended with %v, want it killed", err)
	}
	_ = os.Chmod(filepath.Join(others, "jobs", "job-1", "work", "work"), 0o700)
}

func TestEndBuildDuringStart(t *testing.T) {
	for _, plain := range []bool{true, false} {
		r := newRunner(t, plain)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				build := "b" + strconv.Itoa(i%4)
				e, err := r.Start(t.Context(), job(build, io.Discard, nil, "sleep 600"))
				if err == nil {
					if exit, err := e.Wait(t.Context()); err == nil && exit.Code == 0 {
						t.Error("a job that was ended exited 0")
					}
				} else if !errors.Is(err, &brigade.Error{Code: brigade.CodeCanceled}) {
					t.Errorf("Start: %v", err)
				}
			})
			wg.Go(func() {
				if err := r.EndBuild(t.Context(), "b"+strconv.Itoa(i%4)); err != nil {
					t.Errorf("EndBuild: %v", err)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for running := true; running; {
			select {
			case <-done:
				running = false
			case <-time.After(50 * time.Millisecond): // jobs that started after the last EndBuild
				for i := range 4 {
					if err := r.EndBuild(t.Context(), "b"+strconv.Itoa(i)); err != nil {
						t.Errorf("EndBuild: %v", err)
					}
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", "relative", filepath.Join(file, "below")} {
		if err := process.New(process.Options{StateDir: dir}).Check(t.Context()); brigade.CodeOf(err) != brigade.CodeUnavailable {
			t.Errorf("state directory %q: %v, want unavailable", dir, err)
		}
	}
}
