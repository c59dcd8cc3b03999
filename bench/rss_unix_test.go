//go:build unix

package bench

import (
	"os"
	"runtime"
	"syscall"
)

// peakRSS is the largest resident set, in bytes, of the process and of the
// children it waited for.
func peakRSS(state *os.ProcessState) int64 {
	rusage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return rusage.Maxrss // bytes there, kilobytes elsewhere
	}
	return rusage.Maxrss << 10
}
