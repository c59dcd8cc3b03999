//go:build unix

package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// processExists reports whether the process runs. One that has ended and
// whose parent has not noticed (a zombie) does not.
func processExists(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // there is no /proc here
	}
	_, after, found := bytes.Cut(stat, []byte(") "))
	return !found || len(after) == 0 || after[0] != 'Z'
}
