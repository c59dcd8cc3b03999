package kubesite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds brig into a directory and returns its path. The
// environment variable BRIGADE_PROGRAM names one that is there already.
func Program(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv("BRIGADE_PROGRAM"); path != "" {
		return path, nil
	}
	path := filepath.Join(dir, "brig")
	// As scripts/cross.sh builds it: what is compiled here serves there.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/brigadecore/brigade/v3/cmd/brig")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build brig: %w\n%s", err, out)
	}
	return path, nil
}
