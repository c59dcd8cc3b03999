package brigade_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file holds the import table of the house and the other rules that a
// compiler does not check. docs/design/architecture.md says why they are there.

const module = "github.com/brigadecore/brigade/v3"

// mayImport says which folders of ours a folder may import besides the root,
// internal and its own subfolders. A folder that is not named here may import
// nothing more. "*" stands for all.
var mayImport = map[string][]string{
	"api":      {"feed"},
	"kube":     {"runner", "projectfile"},
	"app":      {"*"},
	"cmd":      {"*"},
	"e2e":      {"*"},
	"bench":    {"*"},
	"scripts":  {"*"},
	"scaffold": nil,
}

// homes says where each dependency lives: the one folder that imports it. A
// dependency that is not named here has no home and may not be imported.
var homes = map[string][]string{
	"cel.dev/":                               {"intake/filter"},
	"charm.land/":                            {"tui"},
	"github.com/charmbracelet/":              {"tui"},
	"github.com/chromedp/":                   {"web", "docs/site"}, // tests in a real browser
	"github.com/clipperhouse/":               {"tui"},
	"github.com/Masterminds/semver/":         {"script/npm"},
	"github.com/cpuguy83/dockercfg":          {"runner/docker"},
	"github.com/dop251/goja":                 {"script"},
	"github.com/evanw/esbuild":               {"script"},
	"github.com/go-git/":                     {"source"},
	"github.com/andybalholm/brotli":          {"script"},
	"github.com/go-sourcemap/":               {"script"},
	"github.com/moby/moby/":                  {"runner/docker"},
	"github.com/minio/":                      {"artifact/s3"},
	"github.com/cloudevents/sdk-go/":         {"gateway"},
	"github.com/containerd/errdefs":          {"runner/docker"},
	"github.com/opencontainers/":             {"runner/docker"},
	"github.com/distribution/":               {"runner/docker"},
	"github.com/oklog/ulid/":                 {"internal/id"},
	"github.com/coreos/go-oidc/":             {"api/oidc"},
	"github.com/prometheus/client_golang/":   {"metrics"},
	"github.com/spf13/":                      {"cmd"},
	"github.com/santhosh-tekuri/jsonschema/": {"tui", "docs", "api"}, // tests of published schemas
	"go.yaml.in/yaml/":                       {"projectfile", "cmd", "docs", "api", "deploy/charts"},
	"modernc.org/sqlite":                     {"store/sqlite"},
	"github.com/jackc/pgx/":                  {"store/postgres"},
	"k8s.io/":                                {"kube", "e2e", "deploy/charts"},
	"sigs.k8s.io/":                           {"kube", "e2e", "deploy/charts"},
	"github.com/yuin/goldmark":               {"docs/site"},
	"github.com/alecthomas/chroma/":          {"docs/site"},
	"helm.sh/":                               {"deploy/charts"}, // tests, in a module of their own
	"golang.org/x/":                          {"*"},             // the Go project's own
}

// stdio lists what enters through options (rule 6): only programs and app,
// which is what they call, touch the process they live in.
var stdio = map[string]bool{
	"Exit": true, "Args": true, "Getenv": true, "LookupEnv": true, "Environ": true,
	"Setenv": true, "Stdin": true, "Stdout": true, "Stderr": true,
}

// programs are the folders in which that happens: script/wire is the program
// that a script's child process runs, runner/process the one that a job's
// namespaces begin with.
var programs = []string{"app", "cmd", "e2e", "bench", "script/wire", "runner/process"}

const (
	maxFileLines        = 500
	maxFunctionLines    = 80
	maxInterfaceMethods = 5
	// longMarker above a function, with a reason, lifts the limit for it.
	longMarker = "//brigade:long "
)

// sourceFile is one parsed Go file of the repository.
type sourceFile struct {
	path  string // slash-separated, relative to the root
	dir   string // "." for the root
	lines int
	test  bool
	fset  *token.FileSet
	ast   *ast.File
}

func (f *sourceFile) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(n.Pos()).Line)
}

// walkFiles calls visit for every file that belongs to the repository.
func walkFiles(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			skip := base == "testdata" || base == "node_modules" || base == "dist" || base == "bin"
			if name != "." && (skip || strings.HasPrefix(base, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		visit(filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func goFiles(t *testing.T) []*sourceFile {
	t.Helper()
	var files []*sourceFile
	walkFiles(t, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, &sourceFile{
			path: name, dir: path.Dir(name), lines: strings.Count(string(text), "\n"),
			test: strings.HasSuffix(name, "_test.go"), fset: fset, ast: parsed,
		})
	})
	if len(files) < 10 {
		t.Fatalf("only %d Go files found: this test looks at the wrong place", len(files))
	}
	return files
}

func (f *sourceFile) imports() []string {
	var list []string
	for _, spec := range f.ast.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			list = append(list, name)
		}
	}
	return list
}

// top is the first folder of a slash-separated path: "store" of "store/sqlite".
func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func within(dir, folder string) bool {
	return folder == "*" || dir == folder || strings.HasPrefix(dir, folder+"/")
}

func TestNoStageImportsTheNext(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue // a test may bring the stages together
		}
		for _, name := range f.imports() {
			ours, ok := strings.CutPrefix(name, module)
			if !ok {
				continue
			}
			target := strings.TrimPrefix(ours, "/")
			if why := forbidden(f.dir, target); why != "" {
				t.Errorf("%s imports %q: %s", f.path, name, why)
			}
		}
	}
}

// forbidden says why the package in dir may not import the one in target, both
// relative to the root of the module; "" when it may.
func forbidden(dir, target string) string {
	switch {
	case dir == ".":
		return "the root imports the standard library only"
	case target == "", top(target) == "internal", top(target) == top(dir):
		return ""
	case top(dir) == "internal":
		return "internal imports no stage"
	}
	for _, folder := range mayImport[top(dir)] {
		if within(target, folder) {
			return ""
		}
	}
	return "let app hand it over as an interface of the root, or change the table in arch_test.go"
}

func TestEveryDependencyHasOneHome(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range f.imports() {
			host, _, _ := strings.Cut(name, "/")
			if !strings.Contains(host, ".") || strings.HasPrefix(name, module) {
				continue
			}
			if f.dir == "." {
				t.Errorf("%s imports %q: the root imports the standard library only", f.path, name)
				continue
			}
			allowed, known := homeOf(name)
			switch {
			case !known:
				t.Errorf("%s imports %q, which has no home in arch_test.go", f.path, name)
			case !slices.ContainsFunc(allowed, func(home string) bool { return within(f.dir, home) }):
				t.Errorf("%s imports %q, whose home is %s", f.path, name, strings.Join(allowed, " or "))
			}
		}
	}
}

func homeOf(name string) (folders []string, known bool) {
	for prefix, folders := range homes {
		if strings.HasPrefix(name, prefix) {
			return folders, true
		}
	}
	return nil, false
}

func TestNoSelfRegistration(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: no init functions: list it in an all.go", f.at(fn))
			}
		}
	}
}

func TestProcessGlobalsEnterThroughOptions(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || f.ast.Name.Name == "main" || slices.ContainsFunc(programs, func(folder string) bool { return within(f.dir, folder) }) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && pkg.Obj == nil && stdio[sel.Sel.Name] {
				t.Errorf("%s uses os.%s: take it from the options", f.at(sel), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestFilesAreShort(t *testing.T) {
	walkFiles(t, func(name string) {
		switch path.Ext(name) {
		case ".go", ".js", ".ts", ".mjs", ".sh":
		default:
			return
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", name, n, maxFileLines)
		}
	})
}

func TestFunctionsAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue // tables of cases are long and flat
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil || markedLong(fn.Doc) {
				continue
			}
			n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d: cut it, or say why with %q above it",
					f.at(fn), fn.Name.Name, n, maxFunctionLines, longMarker+"reason")
			}
		}
	}
}

func markedLong(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	return slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.TrimSpace(strings.TrimPrefix(c.Text, longMarker)) != strings.TrimSpace(c.Text)
	})
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, f := range goFiles(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			it, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			count := 0
			for _, field := range it.Methods.List {
				count += len(field.Names) // an embedded interface has no name
			}
			if count > maxInterfaceMethods {
				t.Errorf("%s: interface %s has %d methods, more than %d",
					f.at(spec), spec.Name.Name, count, maxInterfaceMethods)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		has := f.ast.Doc != nil && len(strings.TrimSpace(f.ast.Doc.Text())) > 20
		documented[f.dir] = documented[f.dir] || has
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment: say what it is in the flow, in a full sentence", dir)
		}
	}
}
