package modules_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/script/modules"
)

// TestPackages runs a few lines with each of the packages that are installed
// below the directory PACKAGES names, and compares with Node. It is skipped
// when that is not set: it needs packages from the network. The lines are in
// testdata/packages.txt: "package: code", where show(...) prints.
func TestPackages(t *testing.T) {
	dir := os.Getenv("PACKAGES")
	if dir == "" {
		t.Skip("PACKAGES does not name a directory with node_modules")
	}
	text, err := os.ReadFile("testdata/packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(testServer())
	defer server.Close()
	ok, all := 0, 0
	for line := range strings.Lines(string(text)) {
		name, code, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil {
			continue
		}
		all++
		script := "const show = (...a) => console.log(...a); const BASE = process.env.BASE; const m = require('" + name + "'); (async () => { " + code +
			" })().catch((e) => console.log('failed', e && e.message || e));\n"
		skipped := false
		passed := t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "smoke.js")
			if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("node", "--no-warnings", file)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "BASE=" + server.URL, "TZ=UTC"}
			want, err := cmd.Output()
			if err != nil {
				skipped = true
				t.Skipf("node: %v", err)
			}
			got, err := runScript(t, file, script, &modules.Env{
				Dir: dir, Roots: []string{dir}, Vars: map[string]string{"BASE": server.URL, "TZ": "UTC"}, Args: []string{"node", file},
			})
			if err != nil {
				t.Errorf("the script failed: %s", describe(err))
			}
			compareLines(t, string(want), got)
		})
		if passed && !skipped {
			ok++
		}
	}
	t.Logf("%d of %d packages work as on Node", ok, all)
}
