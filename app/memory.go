package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When memory is given back to the system: once after every time of work,
// when little was allocated for two ticks.
const (
	memoryEvery = time.Second
	memoryQuiet = 4 << 20 // bytes allocated per tick by a server with nothing to do, at most
	memoryFree  = 4 << 20 // less than that is not worth it
)

// giveMemoryBack gives what the start or a burst of events needed back to the
// system when it is over. The runtime by itself keeps it for minutes.
func giveMemoryBack(ctx context.Context) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	var last uint64
	for quiet := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		value := func(i int) uint64 { return samples[i].Value.Uint64() }
		if value(0)-last >= memoryQuiet {
			quiet = 0
		} else {
			quiet++
		}
		last = value(0)
		garbage := value(4) - min(value(3), value(4))
		if quiet != 2 {
			continue
		}
		unmapProgram()
		if value(1)+value(2)+garbage >= memoryFree {
			debug.FreeOSMemory()
		}
	}
}
