package lint

import (
	"slices"
	"strings"

	"github.com/dop251/goja/ast"

	"github.com/brigadecore/brigade/v3/script/engine"
)

// program is a parsed file in which every name is known to mean what.
type program struct {
	file   string
	tree   *engine.Tree
	scopes map[ast.Node]map[string]*binding
	refs   map[*ast.Identifier]*binding
	decls  map[*ast.Identifier]bool // where names are declared
	kinds  map[*binding]kind        // known, or being found out
	level  int                      // of functions that are looked into
}

// binding is a name within its scope.
type binding struct {
	init     ast.Expression   // what it begins with
	key      string           // the property of init that it is; "" for all of it
	assigned []ast.Expression // what it becomes later
	function ast.Node         // it is this function
	class    *ast.ClassLiteral
	param    int      // 1, 2 … of paramOf
	paramOf  ast.Node // a function
	uses     []use
}

// use is a place where a name stands, and what stands around it.
type use struct {
	id *ast.Identifier
	up []ast.Node
}

func newProgram(file string, tree *engine.Tree) *program {
	p := &program{
		file: file, tree: tree, scopes: map[ast.Node]map[string]*binding{}, refs: map[*ast.Identifier]*binding{},
		decls: map[*ast.Identifier]bool{}, kinds: map[*binding]kind{},
	}
	tree.Walk(func(n ast.Node, up []ast.Node) bool { p.declare(n, up); return true })
	tree.Walk(func(n ast.Node, up []ast.Node) bool { p.resolve(n, up); return true })
	return p
}

// ownScope reports whether names that are declared in n belong to it; function
// whether those declared with var do, too.
func ownScope(n ast.Node) (own, function bool) {
	switch n.(type) {
	case *ast.Program, *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassStaticBlock:
		return true, true
	case *ast.BlockStatement, *ast.ForStatement, *ast.ForInStatement, *ast.ForOfStatement, *ast.CatchStatement, *ast.SwitchStatement, *ast.ClassLiteral:
		return true, false
	}
	return false, false
}

// put declares a name in the nearest scope above, or the nearest function's.
func (p *program) put(id *ast.Identifier, up []ast.Node, function bool, b *binding) {
	p.decls[id] = true
	for _, n := range slices.Backward(up) {
		own, ofFunction := ownScope(n)
		if !own || function && !ofFunction {
			continue
		}
		if p.scopes[n] == nil {
			p.scopes[n] = map[string]*binding{}
		}
		if old := p.scopes[n][string(id.Name)]; old != nil { // var twice
			old.assigned = append(old.assigned, b.init)
			return
		}
		p.scopes[n][string(id.Name)] = b
		return
	}
}

// declare looks for names that n declares.
func (p *program) declare(n ast.Node, up []ast.Node) {
	switch n := n.(type) {
	case *ast.VariableStatement:
		p.putAll(n.List, up, true)
	case *ast.LexicalDeclaration:
		p.putAll(n.List, up, false)
	case *ast.ForLoopInitializerVarDeclList:
		p.putAll(n.List, up, true)
	case *ast.ForIntoVar:
		p.targets(n.Binding.Target, nil, "", up, true)
	case *ast.ForDeclaration:
		p.targets(n.Target, nil, "", up, false)
	case *ast.CatchStatement:
		if n.Parameter != nil {
			p.targets(n.Parameter, nil, "", append(up, n), false)
		}
	case *ast.FunctionLiteral:
		p.declareFunction(n, up)
	case *ast.ArrowFunctionLiteral:
		p.declareParameters(n, n.ParameterList, up)
	case *ast.ClassLiteral:
		if n.Name != nil {
			if _, isDeclaration := above(up, 1).(*ast.ClassDeclaration); !isDeclaration {
				up = append(up, n)
			}
			p.put(n.Name, up, false, &binding{class: n})
		}
	}
}

func (p *program) putAll(list []*ast.Binding, up []ast.Node, function bool) {
	for _, b := range list {
		p.targets(b.Target, b.Initializer, "", up, function)
	}
}

func (p *program) declareFunction(n *ast.FunctionLiteral, up []ast.Node) {
	if n.Name != nil {
		at := up
		if _, isDeclaration := above(up, 1).(*ast.FunctionDeclaration); !isDeclaration {
			at = append(up, n)
		}
		p.put(n.Name, at, false, &binding{function: n})
	}
	p.declareParameters(n, n.ParameterList, up)
}

func (p *program) declareParameters(n ast.Node, list *ast.ParameterList, up []ast.Node) {
	if list == nil {
		return
	}
	inside := append(slices.Clone(up), n)
	for i, b := range list.List {
		if id, ok := b.Target.(*ast.Identifier); ok {
			p.put(id, inside, true, &binding{param: i + 1, paramOf: n})
			continue
		}
		p.targets(b.Target, nil, "", inside, true)
	}
	if list.Rest != nil {
		p.targets(list.Rest, nil, "", inside, true)
	}
}

// unknownKey stands for a part of a value that is not looked into.
const unknownKey = "?"

// targets declares the names of a pattern, which take their values from init.
func (p *program) targets(target ast.Expression, init ast.Expression, key string, up []ast.Node, function bool) {
	deeper := func(name string) string {
		if key != "" {
			return unknownKey
		}
		return name
	}
	switch t := target.(type) {
	case *ast.Identifier:
		p.put(t, up, function, &binding{init: init, key: key})
	case *ast.ObjectPattern:
		for _, property := range t.Properties {
			switch property := property.(type) {
			case *ast.PropertyShort:
				p.put(&property.Name, up, function, &binding{init: init, key: deeper(string(property.Name.Name))})
			case *ast.PropertyKeyed:
				name := unknownKey
				if text, ok := property.Key.(*ast.StringLiteral); ok && !property.Computed {
					name = string(text.Value)
				}
				p.targets(property.Value, init, deeper(name), up, function)
			}
		}
		if t.Rest != nil {
			p.targets(t.Rest, nil, unknownKey, up, function)
		}
	case *ast.ArrayPattern:
		for _, element := range t.Elements {
			p.targets(element, nil, unknownKey, up, function)
		}
		if t.Rest != nil {
			p.targets(t.Rest, nil, unknownKey, up, function)
		}
	case *ast.AssignExpression: // with a default
		p.targets(t.Left, nil, unknownKey, up, function)
	case *ast.Binding:
		p.targets(t.Target, nil, unknownKey, up, function)
	}
}

// resolve finds out what a name means.
func (p *program) resolve(n ast.Node, up []ast.Node) {
	if assign, ok := n.(*ast.AssignExpression); ok {
		if id, ok := assign.Left.(*ast.Identifier); ok {
			if b := p.lookup(string(id.Name), up); b != nil {
				b.assigned = append(b.assigned, assign.Right)
			}
		}
		return
	}
	id, ok := n.(*ast.Identifier)
	if !ok || p.decls[id] {
		return
	}
	if dot, ok := above(up, 1).(*ast.DotExpression); ok && id == &dot.Identifier {
		return
	}
	if b := p.lookup(string(id.Name), up); b != nil {
		p.refs[id] = b
		b.uses = append(b.uses, use{id: id, up: slices.Clone(up)})
	}
}

func (p *program) lookup(name string, up []ast.Node) *binding {
	for _, n := range slices.Backward(up) {
		if b := p.scopes[n][name]; b != nil {
			return b
		}
	}
	return nil
}

// above is the nth node above, nil when there is none.
func above(up []ast.Node, n int) ast.Node {
	if n > len(up) {
		return nil
	}
	return up[len(up)-n]
}

// locals are the files that the program imports by a relative name.
func (p *program) locals() (names []string) {
	p.tree.Walk(func(n ast.Node, _ []ast.Node) bool {
		if name, ok := required(n); ok && (strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../")) {
			names = append(names, name)
		}
		return true
	})
	return names
}

// required is the name of the module that n imports, as require("name").
func required(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpression)
	if !ok || len(call.ArgumentList) != 1 {
		return "", false
	}
	id, ok := call.Callee.(*ast.Identifier)
	text, isText := call.ArgumentList[0].(*ast.StringLiteral)
	if !ok || !isText || id.Name != "require" {
		return "", false
	}
	return string(text.Value), true
}
