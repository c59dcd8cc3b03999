package wire

import "syscall"

// hardLimit does nothing; the watch remains.
func hardLimit(int64) error { return nil }

// childAttributes keep the console's Ctrl-C from the child: the parent decides.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// apartAttributes are none: the process shares the console.
func apartAttributes() *syscall.SysProcAttr { return nil }
