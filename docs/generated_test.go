package docs

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write the generated files again")

func TestGeneratedErrorReference(t *testing.T) {
	meanings, err := codeMeanings("../errors.go")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(`# Errors and exit codes

Every failure a person sees has a code, a sentence and, where there is one, a hint what to do next. Programs may
match on the code: it is stable. With ` + "`-o json`" + ` it is in the field ` + "`failure.code`" + `; an HTTP answer about it has the
status given here, and ` + "`brig`" + ` ends with the exit code. Success is 0.

This file is generated from errors.go: ` + "`make docs`" + `.

| code | what happened | exit code | HTTP status |
|---|---|---:|---:|
`)
	codes := brigade.Codes()
	slices.SortFunc(codes, func(a, b brigade.Code) int {
		if d := a.ExitCode() - b.ExitCode(); d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
	for _, code := range codes {
		meaning := meanings[code]
		if meaning == "" {
			t.Errorf("code %s has no comment in errors.go", code)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d |\n", code, meaning, code.ExitCode(), code.HTTPStatus())
	}
	current(t, "reference/errors.md", b.Bytes())
}

// codeMeanings reads the comments behind the constants of type Code.
func codeMeanings(file string) (map[brigade.Code]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	meanings := map[brigade.Code]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		if code, err := strconv.Unquote(lit.Value); err == nil {
			meanings[brigade.Code(code)] = strings.TrimSpace(spec.Comment.Text())
		}
		return true
	})
	return meanings, nil
}

// current checks that file holds text, or writes it with -update.
func current(t *testing.T, file string, text []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, text) {
		t.Errorf("%s is not current: run `make docs`", file)
	}
}
