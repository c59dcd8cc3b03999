package wire

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// unburdened tells whether a script that has ended left nothing behind in this
// process that the next one would have to bear: no goroutine, such as an open
// connection's, beyond those there were before it, and no more memory than a
// quarter of the limit. What is about to end gets a moment for that.
func unburdened(goroutines int, limit int64) bool {
	const moment, step = 20 * time.Millisecond, time.Millisecond
	for waited := time.Duration(0); runtime.NumGoroutine() > goroutines; waited += step {
		if waited >= moment {
			return false
		}
		time.Sleep(step)
	}
	return memoryInUse() <= uint64(limit)/4 && ownPeak() <= limit
}

// memoryInUse is what the process has from the system and has not given back,
// in bytes, without its program text.
func memoryInUse() uint64 {
	sample := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}
