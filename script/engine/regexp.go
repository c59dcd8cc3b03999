package engine

import (
	_ "embed"
	"fmt"
	"reflect"
	"regexp"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/unistring"

	"github.com/brigadecore/brigade/v3/script/pattern"
)

//go:embed regexp.js
var regexpSource string

var regexpProgram = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("brigade:regexp", regexpSource, false)
})

// prepareRegExp gives the script's RegExp what the engine's own lacks.
func (e *Engine) prepareRegExp() {
	install, err := e.vm.RunProgram(regexpProgram())
	if err != nil {
		panic(fmt.Sprintf("RegExp does not start: %v", err)) // a bug of ours, found by any test
	}
	call, _ := goja.AssertFunction(install)
	remember, err := call(goja.Undefined(), e.native("lower", reflect.ValueOf(lowerRegExp)))
	if err != nil {
		panic(fmt.Sprintf("RegExp does not start: %v", err))
	}
	e.lastMatch, _ = goja.AssertFunction(remember)
}

// lowerRegExp rewrites a regular expression as one that the engine understands.
func lowerRegExp(source, flags string) map[string]any {
	low, err := pattern.Lower(source, flags)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	list := func(numbers []int) []any {
		out := make([]any, len(numbers))
		for i, n := range numbers {
			out[i] = n
		}
		return out
	}
	names := make([]any, len(low.Names))
	for i, name := range low.Names {
		names[i] = name
	}
	return map[string]any{
		"source": low.Source, "flags": low.Flags, "indexed": low.Indexed,
		"groups": list(low.Groups), "rests": list(low.Rests), "names": names,
	}
}

// lastMatchUse matches what reads the properties of RegExp that tell of the last match.
var lastMatchUse = regexp.MustCompile(`\bRegExp\s*(\.\s*(\$[1-9&+_]|lastMatch|lastParen|leftContext|rightContext|input)|\[\s*["']\$)`)

func usesLastMatch(source string) bool { return lastMatchUse.MatchString(source) }

// rememberMatches makes RegExp.$1 and its kin work in this script.
func (e *Engine) rememberMatches() {
	if _, err := e.lastMatch(goja.Undefined()); err != nil {
		panic(fmt.Sprintf("RegExp does not remember: %v", err))
	}
}

// newRegExp matches text that may have a regular expression the engine does
// not understand: a property escape, or something that ends as one with the
// flags d or v does.
var newRegExp = regexp.MustCompile(`\\[pP]\{|/[gimsuy]*[dv][dgimsuvy]*\b`)

// replaceRegExps makes a call of RegExp, which knows what to do, of each
// literal that the engine does not understand.
func replaceRegExps(source string, body []ast.Statement) {
	if !newRegExp.MatchString(source) {
		return
	}
	inTree(reflect.ValueOf(body), func(v reflect.Value) {
		if literal, ok := v.Interface().(*ast.RegExpLiteral); ok && v.Kind() == reflect.Interface && pattern.Needed(literal.Pattern, literal.Flags) {
			v.Set(reflect.ValueOf(regExpCall(literal)))
		}
	})
}

func regExpCall(literal *ast.RegExpLiteral) ast.Expression {
	text := func(s string) ast.Expression {
		return &ast.StringLiteral{Idx: literal.Idx, Literal: s, Value: unistring.NewFromString(s)}
	}
	return &ast.NewExpression{
		New: literal.Idx, Callee: &ast.Identifier{Name: "RegExp", Idx: literal.Idx},
		LeftParenthesis: literal.Idx, RightParenthesis: literal.Idx1(),
		ArgumentList: []ast.Expression{text(literal.Pattern), text(literal.Flags)},
	}
}
