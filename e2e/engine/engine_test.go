package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEngineRunsItsImages(t *testing.T) {
	e := Start(t, Options{Images: []string{"docker.io/library/alpine:3.8", "docker.io/library/node:20"}})
	out, err := e.Podman(t.Context(), "run", "--rm", "node:20", "sh", "-c", "echo hello from $0; id -u")
	if err != nil || !strings.Contains(out, "hello from sh\n0\n") {
		t.Fatalf("got %q, %v", out, err)
	}
}

func TestEnginePullsFromItsRegistry(t *testing.T) {
	e := Start(t, Options{Images: []string{}, Pullable: []string{"team/tool:1"}, Username: "ann", Password: "secret"})
	ctx := t.Context()
	if _, err := e.Podman(ctx, "pull", e.Pullable("team/tool:1")); err == nil {
		t.Fatal("pulled without credentials")
	}
	if _, err := e.Podman(ctx, "pull", "--creds", "ann:secret", e.Pullable("team/tool:1")); err != nil {
		t.Fatal(err)
	}
	_, err := e.Podman(ctx, "pull", "--creds", "ann:secret", e.Pullable("team/missing:1"))
	if err == nil || !strings.Contains(err.Error(), "manifest unknown") {
		t.Fatalf("a missing image: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	e := Start(t, Options{})
	id, err := e.Podman(t.Context(), "run", "-d", "alpine:3.8", "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	// Podman keeps a monitor for a while after a detached exec.
	if _, err := e.Podman(t.Context(), "exec", "-d", strings.TrimSpace(id), "true"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.Dir); !os.IsNotExist(err) {
		t.Fatalf("%s is still there: %v", e.Dir, err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if text, err := os.ReadFile(line); err == nil && strings.Contains(string(text), e.Dir) {
			t.Errorf("still running: %q", text)
		}
	}
}
