//go:build !windows

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits until no other process has the lock that the file stands for,
// and takes it. It is given up when this process ends at the latest.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
