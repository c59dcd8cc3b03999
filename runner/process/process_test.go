package process_test

import (
	"os"
	"path/filepath"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/process"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

func TestMain(m *testing.M) {
	if handled, exit := process.InitMain(os.Args); handled {
		os.Exit(exit)
	}
	os.Exit(m.Run())
}

// newRunner returns a runner that has to be left with an empty state
// directory, but for its caches.
func newRunner(t testing.TB, plain bool) *process.Runner {
	dir := t.TempDir()
	r := process.New(process.Options{StateDir: dir, ForcePlain: plain})
	t.Cleanup(func() {
		builds, _ := filepath.Glob(filepath.Join(dir, "builds", "*"))
		if len(builds) > 0 {
			t.Errorf("left behind: %v", builds)
		}
	})
	return r
}

func plainFeatures() runnertest.Features {
	has := runnertest.AllFeatures()
	has.ImageCommand, has.FixedPaths, has.EmptyDir, has.HostPath, has.WholeTree = false, false, false, false, false
	return has
}

func TestContractPlain(t *testing.T) {
	runnertest.Run(t, runnertest.Config{
		New:   func(t *testing.T) brigade.Runner { return newRunner(t, true) },
		Image: "alpine:3.20",
		Has:   plainFeatures(),
	})
}
