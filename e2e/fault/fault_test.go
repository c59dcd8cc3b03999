package fault_test

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/engine"
	"github.com/brigadecore/brigade/v3/e2e/fault"
	builder "github.com/brigadecore/brigade/v3/e2e/program"
	"github.com/brigadecore/brigade/v3/runner/process"
)

// The defaults are a small run, as in CI.
var (
	builds  = flag.Int("fault.builds", 60, "events that the fault test sends")
	sending = flag.Duration("fault.for", 0, "time over which it sends them")
	seed    = flag.Uint64("fault.seed", 0, "of what is random in it")
)

var program string

func TestMain(m *testing.M) {
	if handled, code := process.InitMain(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(builder.Run(m, &program))
}

func run(t *testing.T, opt fault.Options) *fault.Report {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the pipeline is for a POSIX shell")
	}
	opt.Program, opt.Logf = program, t.Logf
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	report, err := fault.Run(t.Context(), opt)
	if report != nil {
		var table bytes.Buffer
		if err := report.Write(&table); err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", table.String())
		for _, p := range report.Problems {
			t.Error(p)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// atLeast fails the test when a fault did not happen: then it tests nothing.
func atLeast(t *testing.T, r *fault.Report, name string, n int) {
	t.Helper()
	for _, l := range r.Lines {
		if l.Name == name && l.Count >= n {
			return
		}
	}
	t.Errorf("not even %d %s", n, name)
}

func TestNothingIsLost(t *testing.T) {
	isolated, why := process.Isolated()
	t.Logf("jobs are isolated: %v %s", isolated, why)
	opt := fault.Options{
		Builds: *builds, For: *sending, Seed: *seed, Isolated: isolated, KillEvery: 800 * time.Millisecond,
		Workers: true, Clients: true, Disk: fault.CanFillDisk(),
	}
	report := run(t, opt)
	atLeast(t, report, "events answered 2xx", *builds)
	atLeast(t, report, "kills of the server", 1)
	if runtime.GOOS == "linux" {
		atLeast(t, report, "kills of a worker", 1)
	}
	if opt.Disk {
		atLeast(t, report, "times the disk was full", 1)
	}
}

// Containers outlive the server. They are found again, and not started twice.
func TestContainersAreFoundAgain(t *testing.T) {
	e := engine.Start(t, engine.Options{Images: []string{"docker.io/library/alpine:3.20"}})
	report := run(t, fault.Options{
		Runner: "docker", Env: []string{"DOCKER_HOST=" + e.Host}, Builds: max(*builds/8, 4), Seed: *seed, KillEvery: 1200 * time.Millisecond,
	})
	atLeast(t, report, "kills of the server", 1)
	if left, err := e.Podman(t.Context(), "ps", "--all", "--quiet"); err != nil || left != "" {
		t.Errorf("containers are left: %q, %v", left, err)
	}
	if left, err := e.Podman(t.Context(), "volume", "ls", "--quiet"); err != nil || left != "" {
		t.Errorf("volumes are left: %q, %v", left, err)
	}
}
