package cluster

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/engine"
)

// Busybox is the image that every real node has. Its other names stand in for
// the images that scripts ask for.
const Busybox = "localhost/bb:1"

// pauseImage holds a pod's namespaces.
const pauseImage = "localhost/pause:1"

// DefaultImages are the names under which the busybox image is there.
var DefaultImages = []string{
	Busybox,
	"docker.io/library/alpine:3.4", "docker.io/library/alpine:3.7", "docker.io/library/alpine:3.8", "docker.io/library/alpine:3.20",
	"docker.io/library/alpine:latest", "docker.io/library/busybox:latest", "docker.io/library/ubuntu:latest",
}

// blob is a file of an OCI archive that is named by what is in it.
type blob struct {
	kind string
	data []byte
}

func (b blob) digest() string {
	sum := sha256.Sum256(b.data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (b blob) describe() map[string]any {
	return map[string]any{"mediaType": b.kind, "size": len(b.data), "digest": b.digest()}
}

func newBlob(kind string, value any) (blob, error) {
	data, err := json.Marshal(value)
	return blob{kind: kind, data: data}, err
}

// writeImage writes an OCI archive with one image, made of one layer, under
// several names.
func writeImage(w io.Writer, rootfs []byte, command []string, names ...string) error {
	const oci = "application/vnd.oci.image."
	layer := blob{kind: oci + "layer.v1.tar", data: rootfs}
	config, err := newBlob(oci+"config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": "2026-01-01T00:00:00Z",
		"config": map[string]any{"Cmd": command, "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.digest()}},
	})
	if err != nil {
		return err
	}
	manifest, err := newBlob(oci+"manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config.describe(), "layers": []any{layer.describe()},
	})
	if err != nil {
		return err
	}
	var entries []any
	for _, name := range names {
		entry := manifest.describe()
		entry["annotations"] = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
		entries = append(entries, entry)
	}
	index, err := newBlob(oci+"index.v1+json", map[string]any{"schemaVersion": 2, "manifests": entries})
	if err != nil {
		return err
	}
	files := tar.NewWriter(w)
	put := func(name string, data []byte) {
		if err == nil {
			err = files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))})
		}
		if err == nil {
			_, err = files.Write(data)
		}
	}
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	put("index.json", index.data)
	for _, b := range []blob{layer, config, manifest} {
		put("blobs/sha256/"+strings.TrimPrefix(b.digest(), "sha256:"), b.data)
	}
	return errors.Join(err, files.Close())
}

// LoadImage puts the images of an OCI or Docker archive on the real node and
// returns their names.
func (c *Cluster) LoadImage(t testing.TB, archive string) []string {
	t.Helper()
	names, err := c.Import(testContext(t), archive)
	if err != nil {
		t.Fatalf("load %s: %v", archive, err)
	}
	return names
}

// Import is LoadImage outside of tests.
func (c *Cluster) Import(ctx context.Context, archive string) ([]string, error) {
	if c.node == nil {
		return nil, errors.New("the cluster has no real node")
	}
	before, err := c.ctr(ctx, "images", "ls", "-q")
	if err != nil {
		return nil, err
	}
	said, err := c.ctr(ctx, "images", "import", archive)
	if err != nil {
		return nil, err
	}
	after, err := c.ctr(ctx, "images", "ls", "-q")
	if err != nil {
		return nil, err
	}
	// What is new, and what was there and is spoken of. Names that are only a
	// digest are containerd's own.
	known := strings.Fields(before)
	var names []string
	for _, name := range strings.Fields(after) {
		if !strings.HasPrefix(name, "sha256:") && (!slices.Contains(known, name) || strings.Contains(said, name+" ")) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no image in %s: %s", archive, said)
	}
	return names, c.awaitImages(ctx, names)
}

// awaitImages waits until the part of containerd that the kubelet speaks with
// knows of images: it learns of them a little later.
func (c *Cluster) awaitImages(ctx context.Context, names []string) error {
	return c.await(ctx, "containerd knows its images", nil, func() error {
		out, err := c.ctr(ctx, "images", "ls", "-q", `labels."io.cri-containerd.image"==managed`)
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, name := range strings.Fields(out) {
			known[name] = true
		}
		for _, name := range names {
			if !known[name] {
				return fmt.Errorf("%s is not known", name)
			}
		}
		return nil
	})
}

// importBusybox makes the images that are always there.
func (c *Cluster) importBusybox(ctx context.Context) error {
	rootfs, err := engine.Busybox()
	if err != nil {
		return err
	}
	names := append(append([]string{}, DefaultImages...), c.opts.Images...)
	if err := c.importImage(ctx, rootfs, []string{"/bin/sh"}, names...); err != nil {
		return err
	}
	return c.importImage(ctx, rootfs, []string{"/bin/busybox", "sleep", "2147483647"}, pauseImage)
}

func (c *Cluster) importImage(ctx context.Context, rootfs []byte, command []string, names ...string) error {
	path := c.path("image.tar")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	if err := errors.Join(writeImage(f, rootfs, command, names...), f.Close()); err != nil {
		return fmt.Errorf("make the image %s: %w", names[0], err)
	}
	_, err = c.Import(ctx, path)
	return err
}

// ctr runs containerd's client.
func (c *Cluster) ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, look("ctr"), append([]string{"-a", c.path("containerd.sock"), "-n", "k8s.io"}, args...)...)
	cmd.Env = c.supervisor.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
