//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// awaitEnd returns when the process has ended, without waiting for it: its
// number stays taken.
func (tree) awaitEnd(cmd *exec.Cmd) {
	queue, err := unix.Kqueue()
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(queue) }()
	unix.CloseOnExec(queue)
	var watch unix.Kevent_t
	unix.SetKevent(&watch, cmd.Process.Pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	watch.Fflags = unix.NOTE_EXIT
	events := make([]unix.Kevent_t, 1)
	for {
		// An error other than an interruption: the process is a zombie already.
		if _, err := unix.Kevent(queue, []unix.Kevent_t{watch}, events, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
