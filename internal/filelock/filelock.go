// Package filelock takes locks that files stand for. They hold between
// processes, and between two holders in one process, and end with the process
// at the latest: a lock that a killed process had is free. The files stay.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrHeld is the error of Try when somebody else has the lock.
var ErrHeld = errors.New("somebody else has the lock")

// Wait takes the lock that the file stands for, and waits as long as somebody
// else has it. The file is made when it is not there. unlock gives the lock up.
func Wait(name string) (unlock func(), err error) { return take(name, true) }

// Try is Wait that does not wait: when somebody else has the lock its error is
// ErrHeld.
func Try(name string) (unlock func(), err error) { return take(name, false) }

func take(name string, wait bool) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := lock(f, wait); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { _ = f.Close() }, nil
}
