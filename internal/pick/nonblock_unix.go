//go:build unix

package pick

import "syscall"

// nonblock keeps a pipe that takes a file's place from holding things up.
const nonblock = syscall.O_NONBLOCK
