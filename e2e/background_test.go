package e2e

import (
	"strings"
	"testing"
)

// TestBackground starts a build and asks for it at once: it is there. Then it
// follows the build to its end.
func TestBackground(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir())
	m.script(t, "brigade.js", `["echo it runs"]`)
	out := m.brig(t, "run", "-b", "--runner", "dummy")
	line, ok := strings.CutPrefix(out.stdout, "Build: ")
	id, _, found := strings.Cut(line, ",")
	if out.code != 0 || !ok || !found {
		t.Fatalf("exit %d: %s", out.code, out.both())
	}
	if got := m.brig(t, "build", "get", id); got.code != 0 {
		t.Errorf("the build is not there yet: %s", got.both())
	}
	if got := m.brig(t, "build", "logs", id, "-j", "-f"); got.code != 0 {
		t.Errorf("following it: exit %d: %s", got.code, got.both())
	}
	if list := m.brig(t, "build", "list"); !strings.Contains(list.stdout, "Succeeded") {
		t.Errorf("it did not succeed:\n%s", list.both())
	}

	m.withoutEngine()
	none := m.brig(t, "run", "-b", "--runner", "docker")
	if none.code != 6 || !strings.Contains(none.stderr, "container engine") || none.stdout != "" {
		t.Errorf("without an engine: exit %d: %s", none.code, none.both())
	}
}
