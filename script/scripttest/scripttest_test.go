package scripttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/script/engine"
)

// TestFiles runs the test files in testdata, each beside a script of its own,
// and compares what came of them with expected.txt there. A first line
// "// limit: 2s" says how long a test may take.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.test.*")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			runFile(t, file)
		})
	}
}

// anyColumn matches where a loop was interrupted: anywhere in its line.
var anyColumn = regexp.MustCompile(`(without yielding at \S+:\d+):\d+`)

var limitLine = regexp.MustCompile(`^// limit: (\S+)`)

func runFile(t *testing.T, file string) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, Limit: 2 * time.Minute}
	if m := limitLine.FindSubmatch(source); m != nil {
		if o.Limit, err = time.ParseDuration(string(m[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"brigade.js", "brigade.ts"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			o.Script, o.File = string(text), name
		}
	}
	told := 0
	o.Tested = func(string, Test) { told++ }
	f, err := New(o).Run(t.Context(), filepath.Base(file), string(source))
	if err != nil {
		t.Fatal(err)
	}
	if told != len(f.Tests) {
		t.Errorf("%d of %d tests were told of", told, len(f.Tests))
	}
	got := strings.ReplaceAll(transcript(f), dir, "DIR")
	got = anyColumn.ReplaceAllString(got, "$1:N")
	golden := filepath.Join(dir, "expected.txt")
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
}

func transcript(f File) string {
	var b strings.Builder
	for _, test := range f.Tests {
		fmt.Fprintf(&b, "%s: %s\n", test.State, test.Name)
		if test.Message != "" {
			fmt.Fprintf(&b, "\t%s\n", strings.ReplaceAll(strings.TrimSpace(test.Message), "\n", "\n\t"))
		}
		if test.File != "" {
			fmt.Fprintf(&b, "\tat %s:%d:%d: %s\n", test.File, test.Line, test.Column, test.Source)
		}
		for _, line := range test.Log {
			fmt.Fprintf(&b, "\tlog: %s\n", line)
		}
	}
	if f.Failure != nil {
		fmt.Fprintf(&b, "failure %s: %s\nhint: %s\n", f.Failure.Code, f.Failure.Message, f.Failure.Hint)
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Join(lines, "\n")
}

func TestFilterAndOnly(t *testing.T) {
	const source = `const { test } = require("brigade/test"); test("ab", () => {}); test.only("b", () => {}); test("c", () => { throw 1; });`
	for want, filter := range map[string]string{"ab skipped, b passed, c skipped": "", "ab skipped, b passed": "b", "": "z"} {
		o := Options{Dir: t.TempDir(), Limit: time.Minute}
		if filter != "" {
			o.Filter = regexp.MustCompile(filter)
		}
		f, err := New(o).Run(t.Context(), "x.test.js", source)
		var got []string
		for _, test := range f.Tests {
			got = append(got, test.Name+" "+string(test.State))
		}
		if strings.Join(got, ", ") != want || err != nil || f.Failure != nil {
			t.Errorf("%s: %q %v %v", filter, got, err, f.Failure)
		}
	}
}

func TestACanceledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	begun := Options{Dir: t.TempDir(), Limit: time.Hour, Tested: func(string, Test) { cancel(stop) }}
	_, err := New(begun).Run(ctx, "x.test.js", `const { test } = require("brigade/test"); test("a", () => {}); test("b", () => new Promise((r) => setTimeout(r, 3600000)));`)
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

// The declarations are TypeScript, as scaffold writes them, and name what the
// module exports.
func TestTypes(t *testing.T) {
	if _, err := engine.Parse("test.d.ts", "declare module \"brigade/test\" {\n"+Types+"}\n"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"const test:", "function fire(", "function fixture(", "function example(", "interface Build "} {
		if !strings.Contains(Types, "export "+name) {
			t.Errorf("%s is not declared", name)
		}
	}
	methods := regexp.MustCompile(`(?m)^\t(?:get )?(\w+)\(.*\) \{$`)
	_, class, _ := strings.Cut(source, "class Build {")
	class, _, _ = strings.Cut(class, "\n}\n")
	found := 0
	for _, m := range methods.FindAllStringSubmatch(class, -1) {
		switch m[1] {
		case "constructor", "what", "names", "reason", "matches": // its own
			continue
		}
		if found++; !strings.Contains(Types, "\n  "+m[1]+"(") && !strings.Contains(Types, "readonly "+m[1]+":") {
			t.Errorf("Build.%s is not declared", m[1])
		}
	}
	if found < 9 {
		t.Errorf("only %d methods were found", found)
	}
}
