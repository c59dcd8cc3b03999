//go:build unix

package wire

import (
	"os"
	"runtime"
	"syscall"
)

// peakMemory is how much memory an ended process had at the most, in bytes.
func peakMemory(state *os.ProcessState) int64 {
	if state == nil {
		return 0
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss << 10
}
