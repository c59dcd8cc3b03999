package npm_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/script/npm"
)

// topLevel is what npm 11 places at the top for the five packages: the names
// move only when their authors change dependencies, so the test asks for the
// five themselves and compares the rest with BRIGADE_TEST_NPM_TREE, a
// node_modules directory made by npm, when that is given.
func TestLiveRegistry(t *testing.T) {
	registry := os.Getenv("BRIGADE_TEST_REGISTRY")
	if registry == "" {
		t.Skip("BRIGADE_TEST_REGISTRY is not set")
	}
	env := map[string]string{"npm_config_registry": registry}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "NODE_EXTRA_CA_CERTS"} {
		env[name] = os.Getenv(name)
	}
	dir, cache := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "package.json"), `{"dependencies": {"lodash": "4.17.21", "moment": "*", "yaml": "*", "semver": "*", "axios": "*"}}`)
	install := func(what string, cache string, req npm.Request) npm.Tree {
		t.Helper()
		in, err := npm.New(npm.Options{Cache: cache, Env: env})
		if err != nil {
			t.Fatal(err)
		}
		req.Dir = dir
		start := time.Now()
		tree, err := in.Install(context.Background(), req)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%-10s %7.1f ms  %d packages, from cache: %v, warnings: %v", what, float64(time.Since(start).Microseconds())/1000, len(tree.Packages), tree.FromCache, tree.Warnings)
		return tree
	}
	cold := install("cold", cache, npm.Request{SaveLock: true})
	install("with lock", t.TempDir(), npm.Request{Frozen: true})
	warm := install("warm", cache, npm.Request{Frozen: true, Offline: true})
	if !warm.FromCache || warm.Dir != cold.Dir {
		t.Errorf("the warm install made %s again", warm.Dir)
	}
	if of := os.Getenv("BRIGADE_TEST_NPM_TREE"); of != "" {
		if a, b := topLevel(t, cold.Dir), topLevel(t, of); a != b {
			t.Errorf("top-level set differs:\n ours %s\n npm  %s", a, b)
		}
	}
}

// topLevel lists name@version of the packages at the top of a tree.
func topLevel(t *testing.T, modules string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(modules, "*", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	scoped, _ := filepath.Glob(filepath.Join(modules, "@*", "*", "package.json"))
	var out []string
	for _, f := range append(files, scoped...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := npm.ParseManifest(f, text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Name+"@"+m.Version)
	}
	return strings.Join(out, " ")
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
