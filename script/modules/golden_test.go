package modules_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/script/engine"
	"github.com/brigadecore/brigade/v3/script/modules"
)

var update = flag.Bool("update", false, "write the .out files of testdata anew, with the node of this machine")

var cache = engine.NewCache()

// runScript runs a script and returns what it printed.
func runScript(t testing.TB, name, source string, env *modules.Env) (string, error) {
	t.Helper()
	var out bytes.Buffer
	line := func(text string) { fmt.Fprintln(&out, text) }
	if env == nil {
		env = &modules.Env{}
	}
	env.Stdout = line
	env.Stderr = func(text string) { t.Log("stderr: " + text) }
	env.Console = func(level, text string) {
		if level == "warn" || level == "error" || level == "trace" {
			t.Log(level + ": " + text)
			return
		}
		line(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e := engine.New(ctx, engine.Options{Modules: modules.All(), Env: env, Cache: cache, Root: env.Dir})
	defer e.Close()
	err := e.RunString(name, source)
	if err == nil {
		err = e.Wait()
	}
	var exit *engine.Exit
	if err == nil {
		e.EmitExit("beforeExit", 0)
		err = e.Wait()
	}
	if !errors.As(err, &exit) {
		e.EmitExit("exit", 0)
	} else if exit.Code == 0 {
		err = nil
	}
	return out.String(), err
}

func describe(err error) string {
	var thrown *engine.Thrown
	if errors.As(err, &thrown) {
		return thrown.Stack()
	}
	return err.Error()
}

// TestGolden runs every testdata/*.js and compares what it prints with what
// Node printed. To write the .out files anew: go test ./script/modules -run
// Golden -update, with a node v20 on the path.
func TestGolden(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".js"), func(t *testing.T) {
			golden := strings.TrimSuffix(script, ".js") + ".out"
			if *update {
				writeGolden(t, script, golden)
			}
			source, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runScript(t, filepath.Join(dir, filepath.Base(script)), string(source), &modules.Env{
				Dir: dir, Roots: []string{dir}, Args: []string{"brig", "script.js"},
			})
			if err != nil {
				t.Errorf("the script failed: %s", describe(err))
			}
			compareLines(t, string(want), got)
		})
	}
}

func compareLines(t *testing.T, want, got string) {
	t.Helper()
	if dir := os.Getenv("GOLDEN_GOT"); dir != "" { // for a diff of the whole
		_ = os.WriteFile(filepath.Join(dir, filepath.Base(t.Name())+".got"), []byte(got), 0o644)
	}
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	shown := 0
	for i := range max(len(w), len(g)) {
		a, b := "<end>", "<end>"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			t.Errorf("line %d\n node: %s\nhere: %s", i+1, a, b)
			if shown++; shown == 12 {
				return
			}
		}
	}
}
