package lint

import (
	"fmt"

	"github.com/dop251/goja/ast"

	"github.com/brigadecore/brigade/v3/script/engine"
)

// running finds out whether e starts jobs: job.run(), or a group's runAll or
// runEach. what is how to call them in a sentence.
func (p *program) running(e ast.Expression) (what string, ok bool) {
	call, isCall := e.(*ast.CallExpression)
	if !isCall {
		return "", false
	}
	dot, isDot := call.Callee.(*ast.DotExpression)
	if !isDot {
		return "", false
	}
	switch k := p.kindOf(dot.Left); string(dot.Identifier.Name) {
	case "run":
		if k.isJob() {
			return p.called(dot.Left), true
		}
	case "runAll", "runEach":
		if k == aGroup || k == groupClass {
			return "the group", true
		}
	}
	return "", false
}

// called is how to call a job in a sentence.
func (p *program) called(job ast.Expression) string {
	e := job
	if id, ok := e.(*ast.Identifier); ok && p.refs[id] != nil && p.refs[id].init != nil {
		e = p.refs[id].init
	}
	if n, ok := e.(*ast.NewExpression); ok && p.kindOf(n) == aJob && len(n.ArgumentList) > 0 {
		if name, ok := p.text(n.ArgumentList[0]); ok {
			return fmt.Sprintf("job %q", name)
		}
	}
	return "the job"
}

// chain follows calls such as .then and .catch down to what starts jobs.
func (p *program) chain(e ast.Expression) (what string, ok bool) {
	for range maxLevel {
		if what, ok = p.running(e); ok {
			return what, true
		}
		call, isCall := e.(*ast.CallExpression)
		if !isCall {
			return "", false
		}
		dot, isDot := call.Callee.(*ast.DotExpression)
		if !isDot {
			return "", false
		}
		e = dot.Left
	}
	return "", false
}

// statement looks at jobs that are started and left to themselves.
func (c *checker) statement(p *program, s *ast.ExpressionStatement, up []ast.Node) {
	what, ok := p.running(s.Expression)
	if !ok {
		return
	}
	if caught(append(up, s)) {
		c.report(p, s.Idx0(), Finding{Level: Warning, Code: "not-awaited",
			Message: what + " is not awaited within try: when it fails, nothing is caught here, and the build fails",
			Hint:    "write await before it"})
		return
	}
	if p.lastOfHandler(s, up) {
		return // whoever awaited it had nothing left to do
	}
	c.report(p, s.Idx0(), Finding{Level: Warning, Code: "not-awaited",
		Message: what + " is not awaited: what follows runs before it is over. The build waits for it all the same, and fails when it fails",
		Hint:    "write await before it, or void when it is meant so"})
}

// lastOfHandler reports whether nothing follows s in a handler of an event.
func (p *program) lastOfHandler(s ast.Node, up []ast.Node) bool {
	for i := len(up) - 1; i >= 0; i-- {
		switch n := up[i].(type) {
		case *ast.BlockStatement:
			if len(n.List) == 0 || ast.Node(n.List[len(n.List)-1]) != s {
				return false
			}
		case *ast.IfStatement:
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
			call, ok := above(up[:i], 1).(*ast.CallExpression)
			if !ok {
				return false
			}
			_, listens := p.listens(call)
			return listens
		default:
			return false
		}
		s = up[i]
	}
	return false
}

// call looks at calls: super of a job's class, groups, and failures that are
// dropped.
func (c *checker) call(p *program, n *ast.CallExpression, up []ast.Node) {
	switch callee := n.Callee.(type) {
	case *ast.SuperExpression:
		if class := classAround(up); class != nil && class.SuperClass != nil && p.kindOf(class.SuperClass) == jobClass {
			c.arguments(p, n.ArgumentList, up)
		}
	case *ast.DotExpression:
		name := string(callee.Identifier.Name)
		switch {
		case len(n.ArgumentList) == 0:
		case name == "catch" && doesNothing(n.ArgumentList[0]):
			if what, ok := p.chain(callee.Left); ok {
				c.dropped(p, n, what)
			}
		case (name == "runAll" || name == "runEach") && p.kindOf(callee.Left) == groupClass:
			c.group(p, n.ArgumentList[0])
		case name == "all" || name == "allSettled" || name == "race" || name == "any":
			if id, ok := callee.Left.(*ast.Identifier); ok && id.Name == "Promise" && p.refs[id] == nil {
				c.group(p, n.ArgumentList[0])
			}
		}
	}
}

func (c *checker) dropped(p *program, n ast.Node, what string) {
	c.report(p, n.Idx0(), Finding{Level: Warning, Code: "failure-dropped",
		Message: "nobody gets to know when " + what + " fails: the build goes on and succeeds",
		Hint:    "log the error; or set fallible = true and look at result.failure"})
}

// doesNothing reports whether e is a function without a body, or whose value
// is nothing.
func doesNothing(e ast.Expression) bool {
	var body ast.Node
	switch f := e.(type) {
	case *ast.FunctionLiteral:
		body = f.Body
	case *ast.ArrowFunctionLiteral:
		body = f.Body
	}
	switch body := body.(type) {
	case *ast.BlockStatement:
		return len(body.List) == 0
	case *ast.ExpressionBody:
		switch value := body.Expression.(type) {
		case *ast.NullLiteral:
			return true
		case *ast.Identifier:
			return value.Name == "undefined"
		case *ast.UnaryExpression:
			_, number := value.Operand.(*ast.NumberLiteral)
			return value.Operator.String() == "void" && number
		}
	}
	return false
}

// try looks at jobs whose failure an empty catch drops.
func (c *checker) try(p *program, n *ast.TryStatement) {
	if n.Catch == nil || len(n.Catch.Body.List) > 0 {
		return
	}
	engine.Walk(n.Body, func(inner ast.Node, _ []ast.Node) bool {
		switch inner := inner.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.TryStatement:
			return false
		case *ast.AwaitExpression:
			if what, ok := p.chain(inner.Argument); ok {
				c.dropped(p, inner, what)
			}
		}
		return true
	})
}

// group looks at jobs of one list that have the same name.
func (c *checker) group(p *program, list ast.Expression) {
	array, ok := list.(*ast.ArrayLiteral)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, e := range array.Value {
		job := e
		if call, ok := e.(*ast.CallExpression); ok {
			dot, isDot := call.Callee.(*ast.DotExpression)
			if _, runs := p.running(e); !runs || !isDot {
				continue
			}
			job = dot.Left
		}
		name, ok := p.jobName(job)
		if !ok {
			continue
		}
		if seen[name] {
			c.report(p, e.Idx0(), Finding{Level: Warning, Code: "duplicate-name", Message: fmt.Sprintf("two of these jobs are called %q: their logs are hard to tell apart", name),
				Hint: "give every job of a build its own name"})
		}
		seen[name] = true
	}
}

// jobName is the name that a job is made with.
func (p *program) jobName(e ast.Expression) (string, bool) {
	if id, ok := e.(*ast.Identifier); ok {
		b := p.refs[id]
		if b == nil || b.init == nil || b.key != "" || len(b.assigned) > 0 {
			return "", false
		}
		if set, known := p.settings(b); !known || set["name"] {
			return "", false
		}
		e = b.init
	}
	n, ok := e.(*ast.NewExpression)
	if !ok || p.kindOf(n) != aJob || len(n.ArgumentList) == 0 {
		return "", false
	}
	return p.text(n.ArgumentList[0])
}
