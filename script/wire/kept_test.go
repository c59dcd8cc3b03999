package wire_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/wire"
)

// keeper is a worker that keeps processes for as long as the test takes.
func keeper(t *testing.T, scripts int) *wire.Child {
	t.Helper()
	c := child(t)
	c.Keep, c.Idle = scripts, time.Hour
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pidOf runs a script and returns the process that it ran in.
func pidOf(t *testing.T, c *wire.Child, run brigade.ScriptRun) string {
	t.Helper()
	result, err := c.RunScript(context.Background(), run, &fakeHost{heard: func(string) {}})
	if len(result.Handlers) != 1 || err != nil && run.Script != "breaks" {
		t.Fatalf("%s: %+v, %v", run.Script, result, err)
	}
	return result.Handlers[0]
}

func TestScriptsOfAProjectFollowEachOtherInOneProcess(t *testing.T) {
	c := keeper(t, 3)
	var pids []string
	for range 7 {
		pids = append(pids, pidOf(t, c, script("pid")))
	}
	for i, same := range []bool{true, true, false, true, true, false} {
		if (pids[i] == pids[i+1]) != same {
			t.Fatalf("the scripts ran in %v: three were to share a process", pids)
		}
	}
}

func TestEachScriptHasItsProcessUnlessTheyAreKept(t *testing.T) {
	for _, scripts := range []int{0, 1} {
		c := keeper(t, scripts)
		if first, second := pidOf(t, c, script("pid")), pidOf(t, c, script("pid")); first == second {
			t.Errorf("with Keep %d they shared a process", scripts)
		}
	}
}

// TestWhatKeepsScriptsApart: a process that has run a script is taken for one
// of the same project, limits and trust only.
func TestWhatKeepsScriptsApart(t *testing.T) {
	other, larger, untrusted := script("pid"), script("pid"), script("pid")
	other.Project = brigade.NewProject("another/one")
	larger.Limits.Memory *= 2
	untrusted.Build = &brigade.Build{Event: brigade.Event{Untrusted: true}}
	for name, next := range map[string]brigade.ScriptRun{"another project": other, "another limit": larger, "a fork": untrusted} {
		c := keeper(t, 10)
		first := pidOf(t, c, script("pid"))
		second := pidOf(t, c, next)
		if first == second {
			t.Errorf("%s: it ran in the process of the one before", name)
		}
		if third := pidOf(t, c, script("pid")); third != first {
			t.Errorf("%s: the process that waited was not taken", name)
		}
		if again := pidOf(t, c, next); next.Build.Event.Untrusted == (again == second) {
			t.Errorf("%s: processes %s and %s", name, second, again)
		}
	}
}

// TestWhatEndsAProcess: what a script leaves behind, and how it ended, may end
// its process with it.
func TestWhatEndsAProcess(t *testing.T) {
	for _, what := range []string{"leaves work", "leaves memory", "breaks", "leaves a question"} {
		c := keeper(t, 10)
		if first, second := pidOf(t, c, script(what)), pidOf(t, c, script("pid")); first == second {
			t.Errorf("after a script that %s, the next one ran in its process", what)
		}
	}
}

// TestAScriptThatWasToldToEndEndsItsProcess: words for it that come late must
// not be taken for words for the next one.
func TestAScriptThatWasToldToEndEndsItsProcess(t *testing.T) {
	c := keeper(t, 10)
	abort := make(chan struct{})
	run := script("aborts")
	run.Abort = abort
	if _, err := c.RunScript(context.Background(), run, &fakeHost{heard: func(string) { close(abort) }}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next := script("pid")
		next.Abort = make(chan struct{})
		pidOf(t, c, next)
	}
}

// TestAProcessThatDiedWhileItWaited is nobody's failure.
func TestAProcessThatDiedWhileItWaited(t *testing.T) {
	c := keeper(t, 100)
	for range 5 {
		first := pidOf(t, c, script("pid"))
		pid, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if second := pidOf(t, c, script("pid")); second == first {
			t.Fatal("a dead process ran a script")
		}
	}
}

func TestAProcessDoesNotWaitForEver(t *testing.T) {
	c := child(t)
	c.Keep, c.Idle = 100, time.Millisecond
	first := pidOf(t, c, script("pid"))
	for deadline := time.Now().Add(time.Minute); pidOf(t, c, script("pid")) == first; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still there")
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if a, b := pidOf(t, c, script("pid")), pidOf(t, c, script("pid")); a == b {
		t.Error("a closed worker keeps processes")
	}
}

// TestFewProcessesStartAtOnce runs many scripts at once, of which one at a time
// may be starting: all run, and the first processes serve those who wait.
func TestFewProcessesStartAtOnce(t *testing.T) {
	c := keeper(t, 100)
	c.Starting = 1
	var all sync.WaitGroup
	var mu sync.Mutex
	pids := map[string]int{}
	for range 30 {
		all.Go(func() {
			result, err := c.RunScript(context.Background(), script("pid"), &fakeHost{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(result.Handlers) != 1 {
				t.Errorf("%+v, %v", result, err)
				return
			}
			pids[result.Handlers[0]]++
		})
	}
	all.Wait()
	if sum := len(pids); sum > 30 || t.Failed() {
		t.Errorf("%d processes", sum)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Keep = 0
	if _, err := c.RunScript(ctx, script("obedient"), &fakeHost{}); err == nil {
		t.Error("a canceled script ran")
	}
}
