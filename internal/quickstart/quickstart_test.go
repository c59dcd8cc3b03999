package quickstart

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestUsualAfterTheFirstCollection holds that only the start is different.
func TestUsualAfterTheFirstCollection(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set")
	}
	if !On {
		t.Fatal("it does not work")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		runtime.GC()
		now := debug.SetGCPercent(100)
		if now == 100 {
			return
		}
		debug.SetGCPercent(now)
		if time.Now().After(deadline) {
			t.Fatalf("GOGC is %d after collections", now)
		}
		time.Sleep(time.Millisecond)
	}
}
