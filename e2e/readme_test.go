package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestReadmeCommands runs the first of the two commands of the README, except
// for the clone, and checks that the second is the one CI runs.
func TestReadmeCommands(t *testing.T) {
	page := readPage(t, filepath.Join(root, "README.md"))
	first, second := page.only(t, "first"), page.only(t, "second")

	clone, rest, ok := strings.Cut(first, "cd brigade && ")
	if !ok || !strings.HasPrefix(clone, "git clone https://") || strings.Count(first, "\n") > 1 {
		t.Fatalf("the first command is not clone and one command: %s", first)
	}
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(ci), strings.TrimSpace(second)) {
		t.Errorf("CI does not run %q", second)
	}
	if runtime.GOOS == "windows" {
		t.Skip("the rest needs sh")
	}
	m := newMachine(t, root)
	m.withGo(t)
	m.withoutEngine()
	out := m.run(t, "sh", "-c", rest)
	if out.code != 0 {
		t.Fatalf("exit code %d\n%s", out.code, out.both())
	}
	for _, part := range []string{"prepare", "lint", "unit-tests", "docs", "package", "packed", "3 jobs ran at once"} {
		if !strings.Contains(out.both(), part) {
			t.Errorf("%q is not in the output:\n%s", part, out.both())
		}
	}
}

// withGo gives the machine the Go caches of this one.
func (m *machine) withGo(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		out := newMachine(t, root).runIn(t, os.Environ(), "go", "env", name)
		m.env = append(m.env, name+"="+strings.TrimSpace(out.stdout))
	}
}

// withoutEngine hides container engines from the machine.
func (m *machine) withoutEngine() {
	m.env = append(m.env, "DOCKER_HOST=unix://"+filepath.Join(m.home, "no-engine.sock"))
}

// runIn is run with another environment.
func (m *machine) runIn(t *testing.T, env []string, name string, args ...string) outcome {
	t.Helper()
	other := *m
	other.env = env
	return other.run(t, name, args...)
}
