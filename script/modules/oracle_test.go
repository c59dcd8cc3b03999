package modules_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// writeGolden lets Node print what a script should print.
func writeGolden(t *testing.T, script, golden string) {
	t.Helper()
	cmd := exec.Command("node", "--no-warnings", "--expose-gc", filepath.Base(script))
	cmd.Dir = filepath.Dir(script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "HOME=/root"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v", script, err)
	}
	if err := os.WriteFile(golden, out, 0o644); err != nil {
		t.Fatal(err)
	}
}
