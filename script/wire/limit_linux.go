package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hardLimit bounds what the process may write to: private memory, however it
// was asked for. It only ever lowers the limit.
func hardLimit(bytes int64) error {
	if shadow {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &now); err != nil {
		return err
	}
	if now.Max != unix.RLIM_INFINITY && now.Max < uint64(bytes) {
		return nil
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}

// childAttributes make the child end with its parent, and keep the terminal's
// Ctrl-C from it: the parent decides.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// apartAttributes make the process end with its parent. It stays in the
// terminal's foreground, and so it sees Ctrl-C, too.
func apartAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
