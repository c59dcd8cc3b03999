package engine

import (
	"strings"
	"testing"

	"github.com/dop251/goja/ast"
)

func TestPositionsAreThoseOfTheSource(t *testing.T) {
	for name, source := range map[string]string{
		"plain.js":     "// one\nlet a = 1; mark(a);\n",
		"ci/typed.ts":  "interface A { b: string }\nlet a: 12; mark(a);\n",
		"typed.ts":     "interface A { b: string }\nlet a: 12; mark(a);\n",
		"module.mjs":   "import { a } from 'x';\n           mark(a);\n",
		"import.js":    "import { a } from 'x';\n           mark(a);\n",
		"waits.mjs":    "const a = await (1);\n           mark(a);\n",
		"returns.js":   "if (a) return;\n           mark(a);\n",
		"first.js":     "/* line */ mark(a); return;",
		"bom.js":       "\ufeff#!/bin/brig\n           mark(a);\n",
		"broken.js":    "let a = ;",
		"broken.ts":    "let a: = 1;",
		"generator.js": "async function* a() { for await (const b of c) yield b; }\n           mark(a);\n",
	} {
		tree, err := Parse(name, source)
		if strings.HasPrefix(name, "broken") {
			if err == nil || !strings.HasPrefix(err.Error(), name+":1:") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		tree.Walk(func(n ast.Node, _ []ast.Node) bool {
			call, ok := n.(*ast.CallExpression)
			if !ok {
				return true
			}
			if id, ok := call.Callee.(*ast.Identifier); ok && id.Name == "mark" {
				found = true
				line, column, ours := tree.At(id.Idx)
				if at := tree.Program.File.Position(int(id.Idx) - tree.Program.File.Base()); at.Filename != name || ours {
					t.Errorf("%s is called %s", name, at.Filename)
				}
				want := 2
				if name == "first.js" {
					want = 1
				}
				if line != want || column != 12 {
					t.Errorf("%s: %d:%d", name, line, column)
				}
			}
			return true
		})
		if !found {
			t.Errorf("%s: the walk did not come by", name)
		}
	}
}
