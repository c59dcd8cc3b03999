package lint

import (
	"fmt"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// jobs looks at the jobs that a file makes and runs.
func (c *checker) jobs(p *program) {
	p.tree.Walk(func(n ast.Node, up []ast.Node) bool {
		switch n := n.(type) {
		case *ast.NewExpression:
			if p.kindOf(n) == aJob {
				c.newJob(p, n, up)
			}
			if p.kindOf(n) == aGroup && len(n.ArgumentList) == 1 {
				c.group(p, n.ArgumentList[0])
			}
		case *ast.CallExpression:
			c.call(p, n, up)
		case *ast.AssignExpression:
			c.setting(p, n, up)
		case *ast.ExpressionStatement:
			c.statement(p, n, up)
		case *ast.TryStatement:
			c.try(p, n)
		}
		return true
	})
}

// report adds a finding about the place i of p, unless it is in what the
// bundler added.
func (c *checker) report(p *program, i file.Idx, f Finding) {
	line, column, ours := p.tree.At(i)
	if ours {
		return
	}
	f.File, f.Line, f.Column = p.file, line, column
	c.add(f)
}

// newJob looks at the arguments of new Job.
func (c *checker) newJob(p *program, n *ast.NewExpression, up []ast.Node) {
	c.arguments(p, n.ArgumentList, up)
	if len(n.ArgumentList) != 1 {
		return
	}
	if _, spread := n.ArgumentList[0].(*ast.SpreadElement); !spread {
		c.bare(p, n, up)
	}
}

// arguments looks at the name and the image that a job is made with.
func (c *checker) arguments(p *program, list []ast.Expression, up []ast.Node) {
	if len(list) > 0 {
		c.name(p, list[0], up)
	}
	if len(list) > 1 {
		c.image(p, list[1])
	}
}

const nameRule = "use at most 36 characters of a-z, 0-9, dot and dash, starting and ending with a letter or digit"

// name looks at a job's name where the file says it. What a catch is around is
// taken to be meant.
func (c *checker) name(p *program, e ast.Expression, up []ast.Node) {
	if _, ok := e.(*ast.SpreadElement); ok || caught(up) {
		return
	}
	if text, ok := p.text(e); ok {
		if !brigade.ValidJobName(text) {
			c.report(p, e.Idx0(), Finding{Level: Error, Code: "job-name", Message: fmt.Sprintf("job name %q is not allowed: new Job throws", text), Hint: nameRule})
		}
		return
	}
	template, ok := e.(*ast.TemplateLiteral)
	if !ok || template.Tag != nil {
		return
	}
	for _, part := range template.Elements {
		if bad := badNamePart.FindString(string(part.Parsed)); bad != "" {
			c.report(p, e.Idx0(), Finding{Level: Error, Code: "job-name", Message: fmt.Sprintf("a job name cannot have %q in it: new Job throws", bad), Hint: nameRule})
			return
		}
	}
}

var badNamePart = lazyregexp.New(`[^a-z0-9.-]`)

// text is the text that e is in any case.
func (p *program) text(e ast.Expression) (string, bool) {
	switch e := e.(type) {
	case *ast.StringLiteral:
		return e.Value.String(), true
	case *ast.TemplateLiteral:
		if e.Tag == nil && len(e.Expressions) == 0 && len(e.Elements) == 1 {
			return e.Elements[0].Parsed.String(), true
		}
	case *ast.Identifier:
		b := p.refs[e]
		if b == nil || b.key != "" || b.init == nil || len(b.assigned) > 0 {
			return "", false
		}
		if _, again := b.init.(*ast.Identifier); !again {
			return p.text(b.init)
		}
	}
	return "", false
}

// caught reports whether an exception here is caught in the same function.
func caught(up []ast.Node) bool {
	for i := len(up) - 1; i > 0; i-- {
		switch up[i].(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
			return false
		}
		if try, ok := up[i-1].(*ast.TryStatement); ok && try.Catch != nil && up[i] == ast.Node(try.Body) {
			return true
		}
	}
	return false
}

// imageName matches what a container engine takes for an image's name.
var imageName = lazyregexp.New(`^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?` +
	`[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?$`)

// image looks at an image's name where the file says it.
func (c *checker) image(p *program, e ast.Expression) {
	text, ok := p.text(e)
	if !ok || text == "" {
		return
	}
	m := imageName.FindStringSubmatch(text)
	switch {
	case m == nil:
		hint := "write it as [registry/]name[:tag], such as alpine:3.20"
		if lower := strings.ToLower(strings.TrimSpace(text)); lower != text && imageName.MatchString(lower) {
			hint = fmt.Sprintf("did you mean %q?", lower)
		}
		c.report(p, e.Idx0(), Finding{Level: Error, Code: "image-name", Message: fmt.Sprintf("%q is no name of an image: no engine can pull it", text), Hint: hint})
	case m[2] != "":
	case m[1] == "":
		c.report(p, e.Idx0(), Finding{Level: Warning, Code: "image-tag", Message: fmt.Sprintf("image %q has no tag: what it is changes from day to day", text),
			Hint: "name a version, such as alpine:3.20"})
	case m[1] == ":latest":
		c.report(p, e.Idx0(), Finding{Level: Warning, Code: "image-tag", Message: fmt.Sprintf("image %q is the latest one: what it is changes from day to day", text),
			Hint: "name a version, such as alpine:3.20"})
	}
}

// bare looks at a job that is made with nothing but its name: whether it gets
// an image or tasks before it runs.
func (c *checker) bare(p *program, n *ast.NewExpression, up []ast.Node) {
	if runs(above(up, 1), n) {
		if _, called := above(up, 2).(*ast.CallExpression); called {
			c.empty(p, n)
		}
		return
	}
	b := p.boundTo(n, up)
	if b == nil {
		return
	}
	set, known := p.settings(b)
	switch {
	case !known || set["image"]:
	case set["tasks"]:
		c.report(p, n.Idx0(), Finding{Level: Warning, Code: "image-missing",
			Message: "the job has no image: it can run as a process of the machine, and nowhere else",
			Hint:    `name one: new Job("test", "alpine:3.20")`})
	case set["run()"]:
		c.empty(p, n)
	}
}

func (c *checker) empty(p *program, n *ast.NewExpression) {
	c.report(p, n.Idx0(), Finding{Level: Error, Code: "job-empty", Message: "the job has neither an image nor tasks: it cannot run",
		Hint: `write new Job("test", "alpine:3.20", ["echo hello"])`})
}

// runs reports whether n is the method run of e.
func runs(n ast.Node, e ast.Expression) bool {
	dot, ok := n.(*ast.DotExpression)
	return ok && dot.Left == e && dot.Identifier.Name == "run"
}

// boundTo is the name that holds nothing but the value of e, nil when there is
// none.
func (p *program) boundTo(e ast.Expression, up []ast.Node) *binding {
	b, ok := above(up, 1).(*ast.Binding)
	if !ok || b.Initializer != e {
		return nil
	}
	id, ok := b.Target.(*ast.Identifier)
	if !ok {
		return nil
	}
	found := p.lookup(string(id.Name), up)
	if found == nil || len(found.assigned) > 0 || found.init != e {
		return nil
	}
	return found
}

// settings are the fields of b that the file sets, and "run()" when it runs;
// they are not known when b is handed to something that could set more.
func (p *program) settings(b *binding) (set map[string]bool, known bool) {
	set = map[string]bool{}
	for _, u := range b.uses {
		switch n := above(u.up, 1).(type) {
		case *ast.DotExpression:
			if n.Left != ast.Expression(u.id) {
				continue
			}
			name := string(n.Identifier.Name)
			if call, ok := above(u.up, 2).(*ast.CallExpression); ok && call.Callee == ast.Expression(n) {
				if name != "run" && name != "logs" && name != "push" {
					return nil, false
				}
				name += "()"
			}
			set[name] = true
		case *ast.ArrayLiteral: // a list of jobs
			set["run()"] = true
		default:
			return nil, false
		}
	}
	return set, true
}

// setting looks at fields of jobs that are set.
func (c *checker) setting(p *program, n *ast.AssignExpression, up []ast.Node) {
	dot, ok := n.Left.(*ast.DotExpression)
	if !ok {
		return
	}
	field := string(dot.Identifier.Name)
	if p.isJob(dot.Left, up) {
		if field == "image" {
			c.image(p, n.Right)
		}
		if field == "privileged" && isTrue(n.Right) {
			c.forbidden(p, n, brigade.JobSpec{Privileged: true})
		}
	}
	if inner, ok := dot.Left.(*ast.DotExpression); ok && p.isJob(inner.Left, up) {
		if inner.Identifier.Name == "docker" && field == "enabled" && isTrue(n.Right) {
			c.forbidden(p, n, brigade.JobSpec{Docker: brigade.JobDocker{Enabled: true}})
		}
	}
}

// isJob reports whether e is a job, maybe as this of a class of jobs.
func (p *program) isJob(e ast.Expression, up []ast.Node) bool {
	if _, ok := e.(*ast.ThisExpression); ok {
		class := classAround(up)
		return class != nil && p.kindOf(class) == jobSubclass
	}
	return p.kindOf(e).isJob()
}

// classAround is the class whose this is meant, nil for none.
func classAround(up []ast.Node) *ast.ClassLiteral {
	for i := len(up) - 1; i >= 0; i-- {
		switch n := up[i].(type) {
		case *ast.ClassLiteral:
			return n
		case *ast.FunctionLiteral:
			if _, ok := above(up[:i], 1).(*ast.MethodDefinition); !ok {
				return nil
			}
		}
	}
	return nil
}

func isTrue(e ast.Expression) bool {
	b, ok := e.(*ast.BooleanLiteral)
	if ok {
		return b.Value
	}
	not, ok := e.(*ast.UnaryExpression) // as the bundler writes it
	if !ok {
		return false
	}
	zero, ok := not.Operand.(*ast.NumberLiteral)
	return ok && zero.Literal == "0" && not.Operator.String() == "!"
}

// forbidden reports what the project does not allow.
func (c *checker) forbidden(p *program, n ast.Expression, spec brigade.JobSpec) {
	if c.opts.Project == nil {
		return
	}
	spec.Name = "job"
	err := c.opts.Project.Allows(spec)
	if err == nil {
		return
	}
	f := failureOf("", err)
	f.Level, f.Code = Warning, "forbidden"
	f.Message = strings.TrimSuffix(f.Message, `, which job "job" asks for`) + ": the job fails"
	c.report(p, n.Idx0(), f)
}
