package runnertest

import (
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func stopTests() []test {
	whole := func(f Features) bool { return f.WholeTree && f.Storage }
	return []test{
		{"StopRunsTheTrap", tasks, stopRunsTheTrap},
		{"StopKillsAfterGrace", tasks, stopKillsAfterGrace},
		{"StopWithoutGrace", tasks, stopWithoutGrace},
		{"StopEndsTheWholeTree", both(whole), stopEndsTheWholeTree},
		{"EndLeavesNothingRunning", both(whole), endLeavesNothing},
		{"EndDoesNotWaitForChildren", tasks, endDoesNotWait},
		{"EndBuildEndsTheWholeTree", both(whole), endBuildEndsTheWholeTree},
	}
}

func stopRunsTheTrap(h *harness) {
	s := h.start(h.spec("trap", `trap 'echo cleaning up; exit 3' TERM`, "echo ready", "while :; do sleep 0.1; done"))
	s.await("ready")
	if err := s.exe.Stop(h.ctx, time.Minute); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	exit, out := s.wait()
	if !strings.HasSuffix(out, "cleaning up\n") {
		h.Errorf("the trap did not run; output %q", out)
	}
	if exit.Code == 0 {
		h.Errorf("a stopped job exited 0")
	}
}

func stopKillsAfterGrace(h *harness) {
	s := h.start(h.spec("stubborn", `trap '' TERM`, "echo ready", "while :; do sleep 0.1; done"))
	s.await("ready")
	before := time.Now()
	if err := s.exe.Stop(h.ctx, 500*time.Millisecond); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	if took := time.Since(before); took > 10*time.Second {
		h.Errorf("Stop took %v, it has to return at once", took)
	}
	exit, _ := s.wait()
	if exit.Code != 137 {
		h.Errorf("exit code %d, want 137", exit.Code)
	}
	if took := time.Since(before); took < 400*time.Millisecond {
		h.Errorf("the job was killed %v after Stop, within its grace", took)
	}
}

func stopWithoutGrace(h *harness) {
	s := h.start(h.spec("killed", `trap '' TERM`, "echo ready", "while :; do sleep 0.1; done"))
	s.await("ready")
	// A long grace that is cut short by a second Stop.
	if err := s.exe.Stop(h.ctx, time.Hour); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	if err := s.exe.Stop(h.ctx, 0); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	if exit, _ := s.wait(); exit.Code != 137 {
		h.Errorf("exit code %d, want 137", exit.Code)
	}
}

// beats are tasks that leave three kinds of children behind, each touching a
// file of its own in the build's storage again and again: a background child,
// a double-forked daemon, and one in a session of its own.
func (h *harness) beats(name string) brigade.JobSpec {
	beat := func(file string) string {
		return "trap '' TERM HUP; while :; do echo x > " + h.share() + "/" + file + "; sleep 0.05; done > /dev/null 2>&1"
	}
	return h.stored(name,
		"( "+beat("child")+" ) &",
		"( ( "+beat("daemon")+" ) & ) &",
		"if command -v setsid > /dev/null; then setsid sh -c '"+strings.ReplaceAll(beat("session"), "'", `'\''`)+"' & else echo x > "+h.share()+"/session; fi",
		"while ! [ -e "+h.share()+"/child ] || ! [ -e "+h.share()+"/daemon ] || ! [ -e "+h.share()+"/session ]; do sleep 0.05; done",
		"echo ready")
}

// wantNoBeats looks from another job whether any of them is still there.
func (h *harness) wantNoBeats() {
	h.Helper()
	share := h.share()
	h.wantOutput(h.stored("listener", "rm -f "+share+"/child "+share+"/daemon "+share+"/session", "sleep 0.7", "ls -A "+share), "", "")
}

func stopEndsTheWholeTree(h *harness) {
	spec := h.beats("tree")
	spec.Tasks = append(spec.Tasks, "sleep 600")
	s := h.start(spec)
	s.await("ready")
	if err := s.exe.Stop(h.ctx, 200*time.Millisecond); err != nil {
		h.Fatalf("Stop: %v", err)
	}
	s.wait()
	h.wantNoBeats()
}

func endLeavesNothing(h *harness) {
	h.wantOutput(h.beats("tree"), "", "ready\n")
	h.wantNoBeats()
}

func endDoesNotWait(h *harness) {
	before := time.Now()
	h.wantOutput(h.spec("holder", "sleep 600 &", "echo done"), "", "done\n")
	if took := time.Since(before); took > h.cfg.Patience/2 {
		h.Errorf("Wait took %v because a child kept the output open", took)
	}
}

func endBuildEndsTheWholeTree(h *harness) {
	spec := h.beats("tree")
	spec.Tasks = append(spec.Tasks, "sleep 600")
	h.start(spec).await("ready")
	if err := h.runner.EndBuild(h.ctx, h.build.ID); err != nil {
		h.Fatalf("EndBuild: %v", err)
	}
	h.wantNoBeats()
}
