package runnertest

import (
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

func leftoverTests() []test {
	return []test{
		{"Sweep", both(hasStorage), sweep},
		{"Attach", nil, attach},
		{"AttachToNothing", nil, attachToNothing},
	}
}

func sweep(h *harness) {
	sweeper, ok := h.runner.(brigade.Sweeper)
	if !ok {
		h.Skip("the runner is no Sweeper")
	}
	share := h.share()
	ours := h.build.ID
	h.wantOutput(h.stored("writer", "echo x > "+share+"/file"), "", "")
	if _, err := sweeper.Sweep(h.ctx, func(string) bool { return true }); err != nil {
		h.Fatalf("Sweep: %v", err)
	}
	h.wantOutput(h.stored("reader", "cat "+share+"/file"), "", "x\n")
	left := h.start(h.sleeps("left"))
	left.await("ready")

	asked := false
	n, err := sweeper.Sweep(h.ctx, func(id string) bool {
		asked = asked || id == ours
		return id != ours
	})
	if err != nil || n == 0 || !asked {
		h.Errorf("Sweep removed %d things (asked for the build: %v), error %v", n, asked, err)
	}
	if exit, err := left.exe.Wait(h.ctx); err == nil && exit.Code == 0 {
		h.Error("a job that was swept away exited 0")
	}
	h.wantOutput(h.stored("after", "ls -A "+share), "", "")
}

func attach(h *harness) {
	attacher, ok := h.runner.(brigade.Attacher)
	if !ok {
		h.Skip("the runner is no Attacher")
	}
	spec := h.spec("attached", "echo first", "sleep 1", "echo second", "exit 7")
	s := h.start(spec)
	s.await("first")
	if s.exe.Handle() == "" {
		h.Fatal("an Attacher's execution has no handle")
	}
	log := newLogBuffer(h.T)
	run := h.runOf(spec, "", log)
	run.Job.Attempt = 1 // the one that runs
	again, err := attacher.Attach(h.ctx, run, s.exe.Handle())
	if err != nil {
		h.Fatalf("Attach: %v", err)
	}
	exit, err := again.Wait(h.ctx)
	if err != nil || exit.Code != 7 || log.String() != "first\nsecond\n" {
		h.Errorf("attached: exit %d, error %v, output %q", exit.Code, err, log.String())
	}
	if exit, out := s.wait(); exit.Code != 7 || out != "first\nsecond\n" {
		h.Errorf("first execution: exit %d, output %q", exit.Code, out)
	}
}

func attachToNothing(h *harness) {
	attacher, ok := h.runner.(brigade.Attacher)
	if !ok {
		h.Skip("the runner is no Attacher")
	}
	for _, handle := range []string{"", "nonsense", strings.Repeat("0", 64)} {
		exe, err := attacher.Attach(h.ctx, h.runOf(h.exits("lost", 0), "", newLogBuffer(h.T)), handle)
		if err == nil {
			_, err = exe.Wait(h.ctx)
		}
		if brigade.CodeOf(err) != brigade.CodeJobLost {
			h.Errorf("handle %q: %v, want code %s", handle, err, brigade.CodeJobLost)
		}
	}
}
