//go:build unix && !linux

package wire

import "syscall"

// hardLimit does nothing: there is no limit here that covers memory the Go
// runtime maps. The watch remains.
func hardLimit(int64) error { return nil }

// childAttributes keep the terminal's Ctrl-C from the child: the parent decides.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// apartAttributes are none: the process stays in the terminal's foreground.
func apartAttributes() *syscall.SysProcAttr { return nil }
