package pods_test

import (
	"os"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

// A job that uses more memory than it may is killed by the kernel of a real
// node: it has failed by its own fault, and says why.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	if text, err := os.ReadFile("/proc/cgroups"); err == nil && !strings.Contains(string(text), "memory") {
		t.Skip("this machine's kernel does not limit memory")
	}
	b := newBench(t, nil)
	j := b.job("greedy", func(s *brigade.JobSpec) { s.ResourceLimits = brigade.Resources{Memory: "32Mi"} }, "echo ready", "ulimit -v 524288", "exec tail /dev/zero")
	exit, err := b.wait(b.start(j))
	if err != nil || exit.Code != 137 || exit.Reason != "out of memory" {
		t.Errorf("it ended with %+v, %v; it printed %q", exit, err, j.output())
	}
	if !strings.HasPrefix(j.output(), "ready\n") {
		t.Errorf("it printed %q", j.output())
	}
}
