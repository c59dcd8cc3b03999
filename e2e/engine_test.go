package e2e

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/brigadecore/brigade/v3/e2e/engine"
)

// plainImages are the images of examples that need a shell and nothing else.
var plainImages = []string{
	"docker.io/library/alpine:3.20", "docker.io/library/busybox:1.36", "docker.io/library/golang:1.26",
}

// otherImages have programs besides, which stand in testdata/images.
var otherImages = map[string][]string{
	"docker.io/library/debian:12":                {"/bin/bash"},
	"docker.io/library/docker:dind":              {"/usr/local/bin/docker", "/usr/local/bin/dockerd-entrypoint.sh"},
	"docker.io/technosophos/slack-notify:latest": {"/slack-notify"},
}

// containers is the engine the tests share; noContainers says why there is none.
var (
	containers   *engine.Engine
	noContainers error
)

// startEngine starts it where that is possible.
func startEngine(ctx context.Context) error {
	containers, noContainers = openEngine(ctx)
	if containers == nil {
		return nil // the tests that need it say so
	}
	for name, programs := range otherImages {
		if err := buildImage(ctx, containers, name, programs); err != nil {
			return fmt.Errorf("make image %s: %w", name, err)
		}
	}
	return nil
}

func openEngine(ctx context.Context) (*engine.Engine, error) {
	if err := engine.Available(); err != nil {
		return nil, err
	}
	return engine.Open(ctx, engine.Options{Images: plainImages})
}

func buildImage(ctx context.Context, e *engine.Engine, name string, programs []string) error {
	dir, err := os.MkdirTemp(e.Dir, "build-")
	if err != nil {
		return err
	}
	recipe := "FROM " + plainImages[0] + "\n"
	for _, program := range programs {
		base := path.Base(program)
		text, err := os.ReadFile(filepath.Join("testdata", "images", base))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, base), text, 0o755); err != nil {
			return err
		}
		recipe += "COPY " + base + " " + program + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "Containerfile"), []byte(recipe), 0o600); err != nil {
		return err
	}
	_, err = e.Podman(ctx, "build", "--quiet", "--isolation", "chroot", "--tag", name, dir)
	return err
}
