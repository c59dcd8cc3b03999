package kubefault_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/kubefault"
	builder "github.com/brigadecore/brigade/v3/e2e/program"
)

// The defaults are a small run, as in CI.
var (
	builds = flag.Int("fault.builds", 12, "builds that the fault test makes, at least")
	seed   = flag.Uint64("fault.seed", 1, "of what is random in it")
)

func TestNothingIsLost(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	program, err := builder.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	report, err := kubefault.Run(t.Context(), kubefault.Options{
		Cluster: c, Program: program, Dir: t.TempDir(), Builds: *builds, Seed: *seed, Logf: t.Logf,
	})
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
}
