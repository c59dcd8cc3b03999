package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
)

var update = flag.Bool("update", false, "write what came out as what is expected")

// TestGolden looks at every script of testdata, a file or the directory of one,
// and compares the findings with the .txt beside it. Comments in the first lines say
// what the gateways send and which secrets the project has, if that is known.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*")
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".txt") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			file, root := path, ""
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				file, root = filepath.Join(path, "brigade.js"), path
			}
			got := transcript(t, options(t, file, root))
			golden := path + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func options(t *testing.T, file, root string) Options {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Script: string(text), File: filepath.Base(file), Root: root, Patience: time.Minute}
	for line := range strings.Lines(o.Script) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "// ")
		if !ok {
			break
		}
		if list, ok := strings.CutPrefix(comment, "events: "); ok {
			o.Events = strings.Split(list, ", ")
		}
		if name, ok := strings.CutPrefix(comment, "secret: "); ok {
			if o.Project == nil {
				o.Project = brigade.NewProject("acme/app")
				o.Project.AllowPrivilegedJobs = false
				o.Project.Secrets = map[string]any{}
			}
			o.Project.Secrets[name] = "hush"
		}
	}
	return o
}

func transcript(t *testing.T, o Options) string {
	t.Helper()
	found, err := Script(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range found {
		about := ""
		if f.Event != "" {
			about = fmt.Sprintf("[%s] ", strings.TrimSpace(f.Event+" "+f.Job))
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s%s: %s: %s\n", f.File, f.Line, f.Column, about, f.Level, f.Code, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&b, "\t%s\n", f.Hint)
		}
	}
	return b.String()
}

// No example has an error, and of the engine's own test scripts only those that
// are there to fail.
func TestGoodScriptsHaveNoErrors(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/brigade.*s")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		if strings.Contains(file, ".test.") {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			o := options(t, file, filepath.Dir(file))
			o.Events = gateway.EventTypes()
			found, err := Script(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if f.Level == Error {
					t.Errorf("%+v", f)
				}
			}
			t.Logf("%+v", found)
		})
	}
}

// These scripts of the engine's tests are there to be wrong.
var wrong = []string{
	"bad-tasks.js", "canceled.js", "esm-in-js.js", "exit-at-load.js", "job-names.js", "job-nothing-to-do.js", "missing-package.js", "missing-caught.js", "names.js",
	"missing-in-handler.js", "rejects-at-load.js", "syntax-error-long-line.js", "syntax-error.js", "syntax-error.ts", "throws-a-string-at-load.js",
	"throws-at-load.js", "while-true.js", "top-level-await-fails.mjs", "top-level-await-hangs.js", "while-true-at-load.ts", "microtask-loop.js",
}

func TestTheEnginesScriptsHaveNoErrors(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.*s")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d scripts: %v", len(files), err)
	}
	for _, file := range files {
		if slices.Contains(wrong, filepath.Base(file)) {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			found, err := Script(t.Context(), options(t, file, ""))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if f.Level == Error {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestSimilarNames(t *testing.T) {
	known := []string{"push", "pull_request", "check_run", "exec"}
	for name, want := range map[string]string{
		"pull-request": "pull_request", "PUSH": "push", "pussh": "push", "hsup": "", "checkrun": "check_run", "exce": "exec", "deploy": "", "run": "", "pull": "",
	} {
		if got := similar(name, known); got != want {
			t.Errorf("similar(%q) = %q, want %q", name, got, want)
		}
	}
}
