package docker_test

import (
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/engine"
	"github.com/brigadecore/brigade/v3/runner/docker"
)

func TestEngineComesBack(t *testing.T) {
	e := engine.Start(t, engine.Options{})
	r := newRunner(t, func(o *docker.Options) { o.Host = e.Host })
	run, log := jobRun(brigade.JobSpec{Tasks: []string{
		"i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $i -ne 20 ] || echo ready; sleep 0.01; done",
		`printf '{"a":1}' > $BRIGADE_OUTPUT`, "printf tail", "exit 3",
	}})
	x := mustStart(t, r, run)
	log.await(t, "ready")
	e.StopService()
	if err := e.StartService(t.Context()); err != nil {
		t.Fatal(err)
	}
	exit := mustWait(t, x)
	if exit.Code != 3 || string(exit.Outputs) != `{"a":1}` {
		t.Errorf("exit %+v", exit)
	}
	lines := strings.Split(log.String(), "\n")
	if len(lines) != 302 || lines[301] != "tail" || strings.Count(log.String(), "line 150\n") != 1 {
		t.Errorf("%d lines, the last one %q", len(lines), lines[len(lines)-1])
	}
}

func TestEngineStaysAway(t *testing.T) {
	e := engine.Start(t, engine.Options{})
	r := docker.New(docker.Options{Host: e.Host, StateDir: t.TempDir(), LostAfter: 300 * time.Millisecond})
	run, log := jobRun(brigade.JobSpec{Tasks: []string{"echo ready", "sleep 600"}})
	x, err := r.Start(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	log.await(t, "ready")
	e.StopService()
	_, err = x.Wait(t.Context())
	wantError(t, err, brigade.CodeJobLost, "away for too long")
	if err := r.Check(t.Context()); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("Check of an engine that is away: %v", err)
	}
	run, _ = jobRun(brigade.JobSpec{Tasks: []string{"true"}})
	_, err = r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeUnavailable)
}

func TestContainerIsTakenAway(t *testing.T) {
	r := newRunner(t, nil)
	run, log := jobRun(brigade.JobSpec{Tasks: []string{"echo ready", "sleep 600"}})
	x := mustStart(t, r, run)
	log.await(t, "ready")
	if _, err := shared.Podman(t.Context(), "rm", "-f", "-t", "0", x.Handle()); err != nil {
		t.Fatal(err)
	}
	exit, err := x.Wait(t.Context())
	if err == nil && exit.Code == 0 {
		t.Errorf("exit %+v", exit)
	}
	if err != nil {
		wantError(t, err, brigade.CodeJobLost, "container is gone")
	}
}

// TestAttachAfterRestart has a second runner find the job of a first one that
// was not there any more when it ended.
func TestAttachAfterRestart(t *testing.T) {
	for _, when := range []string{"running", "ended"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			spec := brigade.JobSpec{Tasks: []string{"echo one", "echo two >&2", `printf '{"n":2}' > $BRIGADE_OUTPUT`, "sleep 0.5", "printf three", "exit 5"}}
			run, log := jobRun(spec)
			first := newRunner(t, func(o *docker.Options) { o.StateDir = dir })
			x := mustStart(t, first, run)
			log.await(t, "two")
			docker.Abandon(x)
			if when == "ended" {
				if _, err := shared.Podman(t.Context(), "wait", x.Handle()); err != nil {
					t.Fatal(err)
				}
			}
			var again output
			run.Log = &again
			second := newRunner(t, func(o *docker.Options) { o.StateDir = dir })
			y, err := second.Attach(t.Context(), run, x.Handle())
			if err != nil {
				t.Fatal(err)
			}
			if exit := mustWait(t, y); exit.Code != 5 || again.String() != "one\ntwo\nthree" || string(exit.Outputs) != `{"n":2}` {
				t.Errorf("exit %+v, output %q", exit, again.String())
			}
			// It is another job's for any other job.
			other, _ := jobRun(spec)
			_, err = second.Attach(t.Context(), other, x.Handle())
			wantError(t, err, brigade.CodeJobLost)
		})
	}
}

func TestSweepLeavesOthersAlone(t *testing.T) {
	ours := newRunner(t, func(o *docker.Options) { o.Owner = "us" })
	theirs := newRunner(t, func(o *docker.Options) { o.Owner = "them" })
	run, log := jobRun(brigade.JobSpec{Tasks: []string{"echo ready", "sleep 600"}})
	x := mustStart(t, theirs, run)
	log.await(t, "ready")
	if n, err := ours.Sweep(t.Context(), func(string) bool { return false }); err != nil || n != 0 {
		t.Errorf("swept %d, %v", n, err)
	}
	if n, err := theirs.Sweep(t.Context(), func(string) bool { return false }); err != nil || n == 0 {
		t.Errorf("swept %d, %v", n, err)
	}
	if exit, err := x.Wait(t.Context()); err == nil && exit.Code == 0 {
		t.Errorf("exit %+v", exit)
	}
}
