package docker_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/engine"
	"github.com/brigadecore/brigade/v3/runner/docker"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

// shared is the engine of all tests that do not need one of their own; nil
// when there is none on this machine.
var shared *engine.Engine

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) (code int) {
	if err := engine.Available(); err != nil {
		if engine.Required() {
			fmt.Fprintln(os.Stderr, "a container engine is required here:", err)
			return 1
		}
		fmt.Fprintln(os.Stderr, "SKIPPING what needs a container engine:", err)
		return m.Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := engine.Open(ctx, engine.Options{
		Pullable: []string{"team/tool:1", "team/other:1"}, Username: "ann", Password: "secret",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start an engine:", err)
		return 1
	}
	shared = e
	defer func() {
		if err := e.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the engine:", err)
			code = 1
		}
	}()
	return m.Run()
}

// needEngine skips a test that needs one.
func needEngine(t testing.TB) *engine.Engine {
	t.Helper()
	if shared == nil {
		t.Skip("SKIPPED: no container engine")
	}
	return shared
}

// newRunner makes a runner on the shared engine.
func newRunner(t testing.TB, change func(*docker.Options)) *docker.Runner {
	t.Helper()
	opts := docker.Options{
		Host: needEngine(t).Host, StateDir: t.TempDir(),
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&opts)
	}
	return docker.New(opts)
}

func contract(t *testing.T, has runnertest.Features, bigOutput int64, change func(*docker.Options)) {
	needEngine(t)
	has.Bash = false // the image is busybox
	runnertest.Run(t, runnertest.Config{
		New:          func(t *testing.T) brigade.Runner { return newRunner(t, change) },
		Image:        "alpine:3.20",
		MissingImage: "nobody/nothing:1",
		Has:          has,
		BigOutput:    bigOutput,
	})
}

func TestContract(t *testing.T) { contract(t, runnertest.AllFeatures(), 0, nil) }

func TestContractCopied(t *testing.T) {
	has := runnertest.AllFeatures()
	has.EmptyDir = false // not by subPath and as a whole at once; see TestEmptyDirCopied
	contract(t, has, 10<<20, func(o *docker.Options) { o.CopyFiles = true })
}
