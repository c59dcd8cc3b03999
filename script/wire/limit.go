package wire

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// What a child says on standard error before it ends itself. The parent looks
// for these sentences.
const (
	memoryMessage = "brigade: the memory limit is exceeded"
	stuckMessage  = "brigade: the script cannot be interrupted"
)

// limitMemory bounds the memory of this process: the collector works harder
// from four fifths of the limit on, a watch calls exceeded at the limit, which
// ends the process with a clear message, and where the system has a hard limit,
// allocations beyond it fail.
func limitMemory(limit int64, exceeded func()) error {
	if limit <= 0 {
		return nil
	}
	debug.SetMemoryLimit(limit / 5 * 4)
	if err := hardLimit(2 * limit); err != nil { // with room for the watch to be first
		return err
	}
	go watchMemory(limit, exceeded)
	return nil
}

// watchMemory looks often while memory grows, and seldom while nothing happens:
// most of its time, a script waits for a job.
func watchMemory(limit int64, exceeded func()) {
	const often, seldom = 20 * time.Millisecond, 250 * time.Millisecond
	pause, before := often, uint64(0)
	for {
		used := memoryInUse()
		switch {
		case used > uint64(limit):
			exceeded()
			return
		case used > uint64(limit)/2:
			pause = 2 * time.Millisecond
		case used != before:
			pause = often
		default:
			pause = min(2*pause, seldom)
		}
		before = used
		time.Sleep(pause)
	}
}

// outOfMemory ends this process because its script needs too much.
func outOfMemory() {
	fmt.Fprintln(os.Stderr, memoryMessage)
	os.Exit(2)
}

// Stuck ends this process because a script did not react to its interruption.
// It is handed to the worker that Serve runs.
func Stuck() {
	fmt.Fprintln(os.Stderr, stuckMessage)
	os.Exit(2)
}
