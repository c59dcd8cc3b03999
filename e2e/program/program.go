// Package program builds brig for the tests and benchmarks that run it.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Build builds brig into a directory and returns its path. The environment
// variable BRIGADE_PROGRAM names one that is there already.
func Build(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv("BRIGADE_PROGRAM"); path != "" {
		return path, nil
	}
	path := filepath.Join(dir, "brig")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	// As scripts/cross.sh builds it: what is compiled here serves there.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/brigadecore/brigade/v3/cmd/brig")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build brig: %w\n%s", err, out)
	}
	return path, nil
}

// Run runs the tests with brig built at *path, and returns their exit code. What
// before starts is ended by what it returns.
func Run(m *testing.M, path *string, before ...func() (end func(), err error)) int {
	code, err := run(m, path, before)
	if err != nil {
		fmt.Fprintln(os.Stderr, "before the tests:", err)
		return 1
	}
	return code
}

func run(m *testing.M, path *string, before []func() (func(), error)) (int, error) {
	dir, err := os.MkdirTemp("", "brig-test-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if *path, err = Build(context.Background(), dir); err != nil {
		return 0, err
	}
	for _, start := range before {
		end, err := start()
		if err != nil {
			return 0, err
		}
		defer end()
	}
	return m.Run(), nil
}
