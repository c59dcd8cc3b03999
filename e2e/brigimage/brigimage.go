// Package brigimage puts the image of the program on the node of a test
// cluster, as make image builds it.
package brigimage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// Name is what pods call the image. It is on no registry.
const Name = "localhost/brig:e2e"

var built struct {
	sync.Mutex
	loaded map[*cluster.Cluster]bool
}

// Load builds the program and its image and puts it on the cluster's node,
// once for each cluster and test binary. It returns the image's name.
func Load(t testing.TB, c *cluster.Cluster) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.loaded[c] {
		return Name
	}
	dir, err := os.MkdirTemp("", "brig-image-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "image.tar")
	if err := build(dir, archive); err != nil {
		t.Fatal(err)
	}
	c.LoadImage(t, archive)
	if built.loaded == nil {
		built.loaded = map[*cluster.Cluster]bool{}
	}
	built.loaded[c] = true
	return Name
}

func build(dir, archive string) error {
	program, platform := filepath.Join(dir, "brig"), "linux/"+runtime.GOARCH
	for _, args := range [][]string{
		// As scripts/cross.sh builds it: what is compiled here serves there.
		{"build", "-trimpath", "-ldflags", "-s -w", "-o", program, "github.com/brigadecore/brigade/v3/cmd/brig"},
		{"run", "-trimpath", "github.com/brigadecore/brigade/v3/deploy/image", "-name", "localhost/brig", "-tag", "e2e", "-fast",
			"-platform", platform, "-binary", platform + "=" + program, "-o", archive},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
