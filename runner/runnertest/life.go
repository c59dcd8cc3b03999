package runnertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// The life cycle tests run on every runner, the dummy one too: each job says
// what it does twice, as a task and in the dummy runner's variables.

func lifeTests() []test {
	return []test{
		{"NameAndCheck", nil, nameAndCheck},
		{"ExitZero", nil, exitZero},
		{"ExitCode", nil, exitCode},
		{"Output", nil, oneLine},
		{"SameAnswerToAll", nil, sameAnswerToAll},
		{"WaitGivesUpWithItsContext", nil, waitGivesUp},
		{"ContextCoversTheStartOnly", nil, contextCoversStart},
		{"StartWithDeadContext", nil, startWithDeadContext},
		{"NotifiesRunning", nil, notifiesRunning},
		{"Stop", nil, stopEnds},
		{"StopTwiceAndAfterTheEnd", nil, stopTwice},
		{"EndBuildEndsJobs", nil, endBuildEndsJobs},
		{"EndBuildUnknown", nil, endBuildUnknown},
		{"ManyAtOnce", nil, manyAtOnce},
		{"MissingImage", nil, missingImage},
	}
}

func (h *harness) exits(name string, code int) brigade.JobSpec {
	return env(h.spec(name, fmt.Sprintf("exit %d", code)), "DUMMY_EXIT_CODE", strconv.Itoa(code))
}

func (h *harness) prints(name, text string) brigade.JobSpec {
	return env(h.spec(name, "echo "+text), "DUMMY_OUTPUT", text+`\n`)
}

// sleeps prints "ready" and then takes longer than any test waits.
func (h *harness) sleeps(name string) brigade.JobSpec {
	spec := env(h.spec(name, "echo ready", "sleep 600"), "DUMMY_SLEEP", "10m")
	return env(spec, "DUMMY_OUTPUT", `ready\n`)
}

func nameAndCheck(h *harness) {
	if h.runner.Name() == "" {
		h.Error("the runner has no name")
	}
	if err := h.runner.Check(h.ctx); err != nil {
		h.Errorf("Check: %v", err)
	}
}

func exitZero(h *harness) {
	before := time.Now()
	exit, _ := h.run(h.exits("zero", 0))
	if exit.Code != 0 || exit.Reason != "" {
		h.Errorf("exit = %d (%q), want 0 without a reason", exit.Code, exit.Reason)
	}
	// An engine's clock may be read with less precision than ours.
	const slack = 5 * time.Second
	if exit.Started.Before(before.Add(-slack)) || exit.Ended.Before(exit.Started) || exit.Ended.After(time.Now().Add(slack)) {
		h.Errorf("started %v, ended %v; the job was asked for at %v", exit.Started, exit.Ended, before)
	}
}

func exitCode(h *harness) {
	for _, code := range []int{1, 7, 125, 126, 127, 255} {
		if exit, out := h.run(h.exits("code", code)); exit.Code != code {
			h.Errorf("exit code %d, want %d\n%s", exit.Code, code, tail(out))
		}
	}
}

func oneLine(h *harness) {
	h.wantOutput(h.prints("line", "hello"), "", "hello\n")
}

func sameAnswerToAll(h *harness) {
	s := h.start(h.exits("many-waits", 7))
	var wg sync.WaitGroup
	exits := make([]brigade.Exit, 8)
	for i := range exits {
		wg.Go(func() {
			exit, err := s.exe.Wait(h.ctx)
			if err != nil {
				h.Errorf("Wait: %v", err)
			}
			exits[i] = exit
		})
	}
	wg.Wait()
	last, _ := s.wait()
	for _, exit := range exits {
		if exit.Code != 7 || exit.Code != last.Code || !exit.Ended.Equal(last.Ended) || !exit.Started.Equal(last.Started) {
			h.Errorf("Wait answered %+v, and later %+v", exit, last)
		}
	}
}

func waitGivesUp(h *harness) {
	s := h.start(h.sleeps("waited"))
	s.await("ready")
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	if _, err := s.exe.Wait(ctx); !errors.Is(err, context.Canceled) {
		h.Errorf("Wait with a canceled context: %v, want the context's error", err)
	}
	if err := s.exe.Stop(h.ctx, 0); err != nil {
		h.Errorf("Stop: %v", err)
	}
	if exit, _ := s.wait(); exit.Code == 0 {
		h.Error("a stopped job exited 0")
	}
}

func contextCoversStart(h *harness) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	spec := h.spec("outlives", "echo ready", "sleep 0.3", "exit 7")
	spec = env(env(env(spec, "DUMMY_SLEEP", "300ms"), "DUMMY_EXIT_CODE", "7"), "DUMMY_OUTPUT", `ready\n`)
	log := newLogBuffer(h.T)
	exe, err := h.runner.Start(ctx, h.runOf(spec, "", log))
	if err != nil {
		h.Fatalf("Start: %v", err)
	}
	cancel()
	s := &started{h: h, exe: exe, log: log}
	if exit, _ := s.wait(); exit.Code != 7 {
		h.Errorf("exit code %d, want 7: the start's context must not end the job", exit.Code)
	}
}

func startWithDeadContext(h *harness) {
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	exe, err := h.runner.Start(ctx, h.runOf(h.sleeps("never"), "", io.Discard))
	if err == nil {
		_ = exe.Stop(h.ctx, 0)
		h.Fatal("a job was started with a canceled context")
	}
	if !errors.Is(err, context.Canceled) {
		h.Errorf("Start: %v, want the context's error", err)
	}
}

func notifiesRunning(h *harness) {
	var mu sync.Mutex
	var states []brigade.State
	run := h.runOf(h.exits("notified", 0), "", io.Discard)
	run.Notify = func(state brigade.State, _ string) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, state)
	}
	exe, err := h.runner.Start(h.ctx, run)
	if err != nil {
		h.Fatalf("Start: %v", err)
	}
	if _, err := exe.Wait(h.ctx); err != nil {
		h.Fatalf("Wait: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(states) == 0 || states[len(states)-1] != brigade.StateRunning {
		h.Errorf("Notify was told %v, want it to end with running", states)
	}
}

func stopEnds(h *harness) {
	s := h.start(h.sleeps("stopped"))
	s.await("ready")
	before := time.Now()
	if err := s.exe.Stop(h.ctx, time.Second); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	exit, _ := s.wait()
	if exit.Code != 143 && exit.Code != 137 {
		h.Errorf("exit code %d, want 143 or 137", exit.Code)
	}
	if took := time.Since(before); took > h.cfg.Patience/4 {
		h.Errorf("the job ended %v after Stop", took)
	}
}

func stopTwice(h *harness) {
	s := h.start(h.sleeps("stopped"))
	s.await("ready")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := s.exe.Stop(h.ctx, 200*time.Millisecond); err != nil {
				h.Errorf("Stop: %v", err)
			}
		})
	}
	wg.Wait()
	s.wait()
	if err := s.exe.Stop(h.ctx, time.Second); err != nil {
		h.Errorf("Stop after the end: %v", err)
	}
}

func endBuildEndsJobs(h *harness) {
	jobs := []*started{h.start(h.sleeps("left-a")), h.start(h.sleeps("left-b"))}
	for _, s := range jobs {
		s.await("ready")
	}
	if err := h.runner.EndBuild(h.ctx, h.build.ID); err != nil {
		h.Fatalf("EndBuild: %v", err)
	}
	for _, s := range jobs {
		exit, err := s.exe.Wait(h.ctx)
		if err != nil && brigade.CodeOf(err) != brigade.CodeJobLost {
			h.Errorf("Wait after EndBuild: %v", err)
		}
		if err == nil && exit.Code == 0 {
			h.Error("a job that EndBuild ended exited 0")
		}
	}
}

func endBuildUnknown(h *harness) {
	for range 2 {
		if err := h.runner.EndBuild(h.ctx, randomID()); err != nil {
			h.Errorf("EndBuild of an unknown build: %v", err)
		}
	}
	for _, odd := range []string{"", "..", "../..", "a/b"} {
		// Whatever the answer is, it must not remove anything else.
		_ = h.runner.EndBuild(h.ctx, odd)
	}
	h.wantOutput(h.prints("after", "still-there"), "", "still-there\n")
}

func manyAtOnce(h *harness) {
	var wg sync.WaitGroup
	for i := range h.cfg.Jobs {
		wg.Go(func() {
			name := "many-" + strconv.Itoa(i)
			spec := env(env(h.spec(name, "echo "+name, fmt.Sprintf("exit %d", i%3)), "DUMMY_OUTPUT", name+`\n`), "DUMMY_EXIT_CODE", strconv.Itoa(i%3))
			log := newLogBuffer(h.T)
			exe, err := h.runner.Start(h.ctx, h.runOf(spec, "", log))
			if err != nil {
				h.Errorf("Start of %s: %v", name, err)
				return
			}
			exit, err := exe.Wait(h.ctx)
			if err != nil || exit.Code != i%3 || strings.TrimSpace(log.String()) != name {
				h.Errorf("%s: exit %d, output %q, error %v; want exit %d", name, exit.Code, log.String(), err, i%3)
			}
		})
	}
	wg.Wait()
}

func missingImage(h *harness) {
	if h.cfg.MissingImage == "" {
		h.Skip("no image that cannot be pulled is configured")
	}
	spec := h.spec("imageless", "echo never")
	spec.Image = h.cfg.MissingImage
	h.refused(spec, brigade.CodeImagePull, h.cfg.MissingImage)
}
