package lint

import (
	"slices"

	"github.com/dop251/goja/ast"

	"github.com/brigadecore/brigade/v3/script/engine"
)

// kind is what a value is, as far as that matters here.
type kind int

const (
	other       kind = iota
	theModule        // brigadier
	theEvents        // its events
	jobClass         // its Job
	jobSubclass      // a class that extends it
	groupClass       // its Group
	aJob             // an instance of Job
	aSubJob          // of a class that extends it
	aGroup
)

func (k kind) isJob() bool   { return k == aJob || k == aSubJob }
func (k kind) isClass() bool { return k == jobClass || k == jobSubclass }

// moduleNames are what brigadier is imported by.
var moduleNames = []string{"brigadier", "brigade", "@brigadecore/brigadier", "@azure/brigadier"}

// exported is the kind of what brigadier exports under a name.
func exported(name string) kind {
	switch name {
	case "events":
		return theEvents
	case "Job":
		return jobClass
	case "Group":
		return groupClass
	case "default":
		return theModule
	}
	return other
}

// kindOf finds out what an expression is; other when it cannot.
func (p *program) kindOf(e ast.Expression) kind {
	switch e := e.(type) {
	case *ast.Identifier:
		return p.kindOfBinding(p.refs[e])
	case *ast.DotExpression:
		if p.kindOf(e.Left) == theModule {
			return exported(string(e.Identifier.Name))
		}
	case *ast.CallExpression:
		return p.kindOfCall(e)
	case *ast.NewExpression:
		switch p.kindOf(e.Callee) {
		case jobClass:
			return aJob
		case jobSubclass:
			return aSubJob
		case groupClass:
			return aGroup
		}
	case *ast.AwaitExpression:
		if k := p.kindOf(e.Argument); k == theModule || p.importsLater(e.Argument) {
			return theModule
		}
	case *ast.SequenceExpression:
		return p.kindOf(e.Sequence[len(e.Sequence)-1])
	case *ast.AssignExpression:
		return p.kindOf(e.Right)
	case *ast.ConditionalExpression:
		if k := p.kindOf(e.Consequent); k == p.kindOf(e.Alternate) {
			return k
		}
	case *ast.Optional:
		return p.kindOf(e.Expression)
	case *ast.OptionalChain:
		return p.kindOf(e.Expression)
	case *ast.ClassLiteral:
		if e.SuperClass != nil && p.kindOf(e.SuperClass).isClass() {
			return jobSubclass
		}
	}
	return other
}

func (p *program) kindOfBinding(b *binding) kind {
	if b == nil {
		return other
	}
	if k, known := p.kinds[b]; known {
		return k
	}
	p.kinds[b] = other // what refers to itself is nothing we know
	k := other
	switch {
	case b.class != nil:
		k = p.kindOf(b.class)
	case b.key == unknownKey:
	case b.key != "":
		if p.kindOf(b.init) == theModule {
			k = exported(b.key)
		}
	default:
		k = p.kindOfValues(append([]ast.Expression{b.init}, b.assigned...))
	}
	p.kinds[b] = k
	return k
}

// kindOfValues is the kind that all of them have.
func (p *program) kindOfValues(list []ast.Expression) kind {
	k, first := other, true
	for _, e := range list {
		if e == nil {
			continue
		}
		if found := p.kindOf(e); first {
			k, first = found, false
		} else if found != k {
			return other
		}
	}
	return k
}

func (p *program) kindOfCall(call *ast.CallExpression) kind {
	if name, ok := required(call); ok {
		if slices.Contains(moduleNames, name) {
			return theModule
		}
		return other
	}
	id, ok := call.Callee.(*ast.Identifier)
	if !ok {
		return other
	}
	if id.Name == "__toESM" && len(call.ArgumentList) > 0 { // the bundler's
		return p.kindOf(call.ArgumentList[0])
	}
	if b := p.refs[id]; b != nil && len(b.assigned) == 0 {
		if b.function != nil {
			return p.kindReturned(b.function)
		}
		switch f := b.init.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
			if b.key == "" {
				return p.kindReturned(f)
			}
		}
	}
	return other
}

// maxLevel is how many functions deep kinds are looked for.
const maxLevel = 20

// returns lists what a function's body returns, without the functions in it.
func returns(body ast.Node) (list []*ast.ReturnStatement) {
	engine.Walk(body, func(n ast.Node, _ []ast.Node) bool {
		switch n := n.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
			return false
		case *ast.ReturnStatement:
			list = append(list, n)
		}
		return true
	})
	return list
}

// kindReturned is the kind of job that a function returns, whichever way.
func (p *program) kindReturned(function ast.Node) kind {
	var list []ast.Expression
	var body ast.Node
	switch f := function.(type) {
	case *ast.FunctionLiteral:
		if f.Async || f.Generator {
			return other
		}
		body = f.Body
	case *ast.ArrowFunctionLiteral:
		if f.Async {
			return other
		}
		if expression, ok := f.Body.(*ast.ExpressionBody); ok {
			list = append(list, expression.Expression)
		}
		body = f.Body
	}
	for _, r := range returns(body) {
		if r.Argument == nil {
			return other
		}
		list = append(list, r.Argument)
	}
	if p.level++; len(list) == 0 || p.level > maxLevel {
		p.level--
		return other
	}
	defer func() { p.level-- }()
	if k := p.kindOfValues(list); k.isJob() {
		return aSubJob // whatever the function did to it
	}
	return other
}

// importsLater reports whether e is what the bundler makes of a dynamic import
// of brigadier.
func (p *program) importsLater(e ast.Expression) bool {
	call, ok := e.(*ast.CallExpression)
	if !ok || len(call.ArgumentList) != 1 {
		return false
	}
	arrow, ok := call.ArgumentList[0].(*ast.ArrowFunctionLiteral)
	if !ok {
		return false
	}
	body, ok := arrow.Body.(*ast.ExpressionBody)
	return ok && p.kindOf(body.Expression) == theModule
}
