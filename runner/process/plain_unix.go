//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

var (
	executableEndings  = []string{""}
	systemVariables    []string
	temporaryVariables = []string{"TMPDIR"}
)

func sameVariable(a, b string) bool { return a == b }

// executable reports whether path is a file somebody may execute.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// openRegular opens a regular file that is no link, and never blocks.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errNotRegular
	}
	return f, nil
}

// tree is a session and process group of its own.
type tree struct{}

func (tree) start(cmd *exec.Cmd, group *cgroup) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	group.hold(cmd.SysProcAttr)
	return cmd.Start()
}

func (tree) term(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // gone: fine
func (tree) kill(cmd *exec.Cmd) { killTree(cmd.Process.Pid) }
func (tree) close()             {}

// killTree kills the process group of a leader.
func killTree(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // gone: fine

// exitCode is the code of an ended process, 128+n after signal n.
func exitCode(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}
