package engine

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

// FuzzExports checks that no exports of a package lead out of it, whatever
// they say and whatever is asked for.
func FuzzExports(f *testing.F) {
	for _, s := range []struct{ exports, sub string }{
		{`"./a.js"`, ""},
		{`{".": {"require": "./a.js", "default": "./b.js"}, "./x/*": "./y/*.js"}`, "x/q"},
		{`{"./": "./lib/", "./*": ["./../*", null, {"node": "./*"}]}`, "../../etc/passwd"},
		{`{"import": "../outside.js"}`, ""},
		{`[[[["./deep"]]]]`, ""},
		{`{"./a*b*c": "./*"}`, "aXbYc"},
	} {
		f.Add(s.exports, s.sub)
	}
	dir := f.TempDir()
	pkg := filepath.Join(dir, "root", "node_modules", "p")
	for path, text := range map[string]string{
		filepath.Join(dir, "outside.js"): "", filepath.Join(pkg, "a.js"): "", filepath.Join(pkg, "y", "q.js"): "", filepath.Join(pkg, "lib", "z.js"): "",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	real, err := filepath.EvalSymlinks(pkg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, exports, sub string) {
		if !json.Valid([]byte(exports)) {
			return
		}
		l := &loader{root: filepath.Join(filepath.Dir(filepath.Dir(real))), roots: []string{filepath.Dir(filepath.Dir(real))}, pkgs: map[string]*packageJSON{}}
		file, err := l.resolveExports(&packageJSON{Name: "p", Exports: json.RawMessage(exports), dir: real}, sub)
		if err == nil && !within(real, file) {
			t.Fatalf("%s with %q leads to %s", exports, sub, file)
		}
		var missing *errNotFound
		if err != nil && !errors.As(err, &missing) && brigade.CodeOf(err) != brigade.CodeModule {
			t.Fatalf("unexpected error %v", err)
		}
	})
}

// FuzzScan checks that the scan before parsing never fails or hangs, and that
// what it lets through does not break the parsers.
func FuzzScan(f *testing.F) {
	for _, s := range []string{"a = `x${b}`", "/[/]/.test('\\'')", "// (\n/* [ */ {", "`${`${`", "a\n/b/g", "x = {}; /)/", "await (1)", "class A { #b = 1 }", "\u2028", "<!-- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 10_000 {
			return
		}
		for _, name := range []string{"f.js", "f.ts"} {
			if _, err := NewCache().compileFile(name, source, false); err != nil {
				if brigade.CodeOf(err) != brigade.CodeScriptLoad {
					t.Fatalf("%s: %v", name, err)
				}
				if !strings.HasPrefix(err.Error(), name) {
					t.Fatalf("the error does not say where: %v", err)
				}
			}
		}
	})
}

// FuzzSourceMap checks that the columns of any mappings can be shifted, and
// that what comes out is readable again.
func FuzzSourceMap(f *testing.F) {
	f.Add("AAAA,SAAS;AACA")
	f.Add(";;gB;A")
	f.Fuzz(func(t *testing.T, mappings string) {
		out, ok := shiftColumns(mappings)
		if !ok {
			return
		}
		if strings.Count(out, ";") != strings.Count(mappings, ";") || strings.Count(out, ",") != strings.Count(mappings, ",") {
			t.Fatalf("%q became %q", mappings, out)
		}
		if _, ok := shiftColumns(out); !ok {
			t.Fatalf("%q became %q, which cannot be read", mappings, out)
		}
	})
}
