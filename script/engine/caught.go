package engine

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/unistring"
)

// tidy gives an error that the engine itself made the stack that Node would
// give it, and words that say what in the script it is about. Errors are tidied
// where a script gets hold of them: in catch clauses, see addTidying, in the
// handlers of promises, and before the script is told of those nobody caught.
func (e *Engine) tidy(v goja.Value) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Error" {
		return
	}
	_ = e.vm.Try(func() { // what a script made of the object may throw
		stack, ok := obj.Get("stack").(goja.String)
		if !ok || !strings.Contains(stack.String(), "\n\tat ") {
			return
		}
		text, clean := stack.String(), cleanStack(stack.String())
		if message, ok := obj.Get("message").(goja.String); ok {
			if better := e.clearer(message.String(), text); better != "" {
				_ = obj.Set("message", better)
				clean = strings.Replace(clean, message.String(), better, 1)
			}
		}
		_ = obj.Set("stack", clean)
	})
}

// enginePlace matches where the innermost function of an error was.
var enginePlace = regexp.MustCompile(`\n\tat (?:[^\n(]+ \()?([^\n()]+):(\d+):(\d+)\(\d+\)`)

// clearer is what Node says instead of a message of the engine, or "".
func (e *Engine) clearer(message, stack string) string {
	first := strings.Index(stack, "\n\tat ")
	if strings.HasPrefix(stack[first:], "\n\tat __forAwait (") { // the bundler's for await
		return "the value is not async iterable"
	}
	at := enginePlace.FindStringSubmatchIndex(stack)
	if at == nil || at[0] != first {
		return "" // it was made by a built-in function
	}
	source, known := e.loader.sources[stack[at[2]:at[3]]]
	if !known {
		return ""
	}
	line, _ := strconv.Atoi(stack[at[4]:at[5]])
	column, _ := strconv.Atoi(stack[at[6]:at[7]])
	lines := strings.SplitN(plainText(source), "\n", line+1)
	if line < 1 || line > len(lines) {
		return ""
	}
	text, in := chained(lines, line-1, column-1)
	return clearerAt(message, text, in)
}

// chained is a line and a place in it; what a call of a member goes on from in
// the lines above is in front of it.
func chained(lines []string, number, column int) (line []rune, at int) {
	line = []rune(lines[number])
	at = min(max(column, 0), len(line))
	for range 20 {
		trimmed := strings.TrimLeft(string(line), " \t")
		if number == 0 || !strings.HasPrefix(trimmed, ".") && !strings.HasPrefix(trimmed, "?.") {
			break
		}
		number--
		above := []rune(strings.TrimRight(lines[number], " \t\r"))
		at = max(at-(len(line)-len([]rune(trimmed))), 0) + len(above)
		line = append(above, []rune(trimmed)...)
	}
	return line, at
}

var readOfNothing = regexp.MustCompile(`^Cannot read property '(.*)' of undefined(?: or null)?$`)

// clearerAt is clearer for an error at that place of a line.
func clearerAt(message string, line []rune, at int) string {
	if member, ok := cutQuoted(message, "Object has no member '"); ok {
		if callee := calleeBefore(line, at); callee == member || strings.HasSuffix(callee, "."+member) {
			return callee + " is not a function"
		}
		return member + " is not a function"
	}
	switch {
	case strings.HasPrefix(message, "Value is not an object: ") || message == "Value is not a constructor":
		if class, ok := strings.CutPrefix(string(line[at:]), "new "); ok {
			return orValue(dotted.FindString(class)) + " is not a constructor"
		}
		if at < len(line) && line[at] == '(' {
			return orValue(calleeBefore(line, at)) + " is not a function"
		}
		rest := string(line[at:]) // the bundler's calls of what was imported are where the name is
		if name := dotted.FindString(rest); name != "" && strings.HasPrefix(rest[len(name):], "(") {
			return name + " is not a function"
		}
	case message == "Value is not object coercible":
		return "Cannot destructure what is undefined or null"
	case message == "Cannot access a variable before initialization":
		if name := dotted.FindString(string(line[at:])); name != "" {
			name, _, _ = strings.Cut(name, ".")
			return "Cannot access '" + name + "' before initialization"
		}
	default:
		if m := readOfNothing.FindStringSubmatch(message); m != nil {
			return "Cannot read properties of undefined or null (reading '" + m[1] + "')"
		}
	}
	return ""
}

func cutQuoted(message, before string) (string, bool) {
	rest, ok := strings.CutPrefix(message, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "'")
}

func orValue(name string) string {
	if name == "" {
		return "the value"
	}
	return name
}

var (
	dotted    = regexp.MustCompile(`^[\p{L}_$#][\p{L}\p{N}_$#]*(\??\.[\p{L}_$#][\p{L}\p{N}_$#]*)*`)
	dottedEnd = regexp.MustCompile(`(?:^|[^\p{L}\p{N}_$#.?\])])([\p{L}_$#][\p{L}\p{N}_$#]*(?:\??\.[\p{L}_$#][\p{L}\p{N}_$#]*)*)(?:\?\.)?\s*$`)
	memberEnd = regexp.MustCompile(`\.([\p{L}_$#][\p{L}\p{N}_$#]*)\s*$`)
)

// calleeBefore is the name of what is called by a bracket at that place: a name
// with what is before its dots, or "(intermediate value).name" where that is no
// name.
func calleeBefore(line []rune, at int) string {
	before := string(line[:at])
	if m := dottedEnd.FindStringSubmatch(before); m != nil {
		if member, ok := strings.CutPrefix(m[1], "super."); ok {
			return "(intermediate value)." + member
		}
		return m[1]
	}
	if m := memberEnd.FindStringSubmatch(before); m != nil {
		return "(intermediate value)." + m[1]
	}
	return ""
}

// The properties of a module's __meta that tidy an error, and that make a
// function do so with what it is given.
const (
	tidies    = "caught"
	tidiesFor = "handler"
)

// addTidying has the catch clauses of a script's own file, and what it hands to
// methods called catch or as the second to then, tidy what they are given.
// Packages are left as they are: there are many, and few show what they catch.
func addTidying(name, source string, body []ast.Statement) {
	if strings.Contains(name, "node_modules/") || !strings.Contains(source, "catch") && !strings.Contains(source, "then") {
		return
	}
	inTree(reflect.ValueOf(body), func(v reflect.Value) {
		switch n := v.Interface().(type) {
		case *ast.CatchStatement:
			if v.Kind() == reflect.Pointer {
				tidyCaught(n)
			}
		case *ast.CallExpression:
			if v.Kind() == reflect.Pointer {
				tidyHandler(n)
			}
		}
	})
}

func tidyCaught(clause *ast.CatchStatement) {
	caught, ok := clause.Parameter.(*ast.Identifier)
	if !ok || clause.Body == nil {
		return
	}
	call := metaCall(tidies, &ast.Identifier{Name: caught.Name, Idx: clause.Body.LeftBrace}, clause.Body.LeftBrace)
	clause.Body.List = append([]ast.Statement{&ast.ExpressionStatement{Expression: call}}, clause.Body.List...)
}

func tidyHandler(call *ast.CallExpression) {
	method, ok := call.Callee.(*ast.DotExpression)
	if !ok {
		return
	}
	at := map[unistring.String]int{"catch": 0, "then": 1}
	n, ok := at[method.Identifier.Name]
	if !ok || n >= len(call.ArgumentList) {
		return
	}
	for _, arg := range call.ArgumentList[:n+1] {
		if _, spread := arg.(*ast.SpreadElement); spread {
			return
		}
	}
	call.ArgumentList[n] = metaCall(tidiesFor, call.ArgumentList[n], call.ArgumentList[n].Idx0())
}

// metaCall is a call of a function of the module's __meta.
func metaCall(name unistring.String, arg ast.Expression, at file.Idx) *ast.CallExpression {
	return &ast.CallExpression{
		Callee: &ast.DotExpression{
			Left:       &ast.Identifier{Name: "__meta", Idx: at},
			Identifier: ast.Identifier{Name: name, Idx: at},
		},
		LeftParenthesis: at, RightParenthesis: at,
		ArgumentList: []ast.Expression{arg},
	}
}
