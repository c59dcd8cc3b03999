//go:build unix

package process_test

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper starts a process group that sleeps.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// TestPlainDaemonHoldsOutput leaves a daemon that a plain job cannot end and
// that keeps the output open.
func TestPlainDaemonHoldsOutput(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid here")
	}
	r := newRunner(t, true)
	begin := time.Now()
	out, exit := output(t, r, job("b1", nil, nil, `setsid sh -c 'echo $$; exec sleep 600' &`, "sleep 0.3", "echo done", "exit 3"))
	pid, _, _ := strings.Cut(out, "\n")
	if n, err := strconv.Atoi(pid); err == nil && n > 1 {
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
	if !strings.HasSuffix(out, "done\n") || exit.Code != 3 || time.Since(begin) > 20*time.Second {
		t.Errorf("exit %d after %v, output %q", exit.Code, time.Since(begin), out)
	}
}
