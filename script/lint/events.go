package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja/ast"

	"github.com/brigadecore/brigade/v3/script/engine"
)

// own are the events that Brigade itself fires, or that people do.
var own = []string{"exec", "after", "error", "cancel", "ping", "cron"}

// events looks at the events that a file listens to, and at the secrets that
// its handlers want.
func (c *checker) events(p *program) {
	fired := p.fires()
	p.tree.Walk(func(n ast.Node, _ []ast.Node) bool {
		if dot, ok := n.(*ast.DotExpression); ok {
			c.secret(p, dot)
		}
		call, ok := n.(*ast.CallExpression)
		if !ok {
			return true
		}
		if name, ok := p.listens(call); ok && name != nil {
			c.listened(p, call, name, fired)
		}
		return true
	})
}

// listens reports whether a call registers a handler; name is the event's.
func (p *program) listens(call *ast.CallExpression) (name ast.Expression, ok bool) {
	dot, isDot := call.Callee.(*ast.DotExpression)
	if !isDot || p.kindOf(dot.Left) != theEvents {
		return nil, false
	}
	switch dot.Identifier.Name {
	case "on", "once", "addListener", "prependListener", "prependOnceListener":
		if len(call.ArgumentList) > 0 {
			return call.ArgumentList[0], true
		}
		return nil, true
	}
	return nil, false
}

// fires lists the events that the file itself may fire: what it emits, and
// whatever it calls a type.
func (p *program) fires() map[string]bool {
	fired := map[string]bool{}
	note := func(e ast.Expression) {
		if name, ok := p.text(e); ok {
			fired[name] = true
		}
	}
	p.tree.Walk(func(n ast.Node, _ []ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpression:
			if dot, ok := n.Callee.(*ast.DotExpression); ok && dot.Identifier.Name == "emit" && len(n.ArgumentList) > 0 {
				note(n.ArgumentList[0])
			}
		case *ast.AssignExpression:
			if dot, ok := n.Left.(*ast.DotExpression); ok && dot.Identifier.Name == "type" {
				note(n.Right)
			}
		case *ast.PropertyKeyed:
			if key, ok := n.Key.(*ast.StringLiteral); ok && key.Value == "type" {
				note(n.Value)
			}
		}
		return true
	})
	return fired
}

func (c *checker) listened(p *program, call *ast.CallExpression, e ast.Expression, fired map[string]bool) {
	if len(call.ArgumentList) < 2 {
		if _, spread := e.(*ast.SpreadElement); !spread {
			c.report(p, call.Idx0(), Finding{Level: Error, Code: "handler-missing", Message: "a handler is missing: this throws",
				Hint: `write events.on("push", async (event, project) => { … })`})
		}
		return
	}
	name, ok := p.text(e)
	if !ok || len(c.opts.Events) == 0 || fired[name] || slices.Contains(own, name) || slices.Contains(c.opts.Events, name) {
		return
	}
	if meant := c.similarEvent(name); meant != "" {
		c.report(p, e.Idx0(), Finding{Level: Warning, Code: "unknown-event", Message: fmt.Sprintf("no gateway sends an event %q", name),
			Hint: fmt.Sprintf("did you mean %q?", meant)})
		return
	}
	base, _, _ := strings.Cut(name, ":")
	if slices.Contains(c.opts.Events, base+":") || strings.Contains(name, ".") { // CloudEvents have their own
		return
	}
	c.report(p, e.Idx0(), Finding{Level: Note, Code: "unknown-event", Message: fmt.Sprintf("no gateway sends an event %q by itself", name),
		Hint: "brig run -e, brig event create, schedules and the webhook gateway fire whatever name they are given"})
}

// similarEvent is the event that was meant by one that nobody sends.
func (c *checker) similarEvent(name string) string {
	known := slices.Concat(own, slices.DeleteFunc(slices.Clone(c.opts.Events), func(e string) bool { return strings.HasSuffix(e, ":") }))
	if base, action, ok := strings.Cut(name, ":"); ok && slices.Contains(c.opts.Events, base+":") {
		for _, e := range known {
			usual, found := strings.CutPrefix(e, base+":")
			if found && len(action) > 3 && (distance(action, usual) == 1 || strings.HasPrefix(usual, action)) {
				return e
			}
		}
		return ""
	}
	return similar(name, known)
}

// similar is the one of known that was meant by name, "" for none: the same but
// for how words are joined and cased, or with a letter or two that differ.
func similar(name string, known []string) string {
	plain := strings.NewReplacer("-", "", "_", "", " ", "", ".", "", ":", "", "/", "")
	best, bestDistance := "", 3
	for _, k := range known {
		if strings.EqualFold(plain.Replace(k), plain.Replace(name)) {
			return k
		}
		allowed := min(2, (len(k)-1)/3)
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= allowed && d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is how many letters have to be changed, added, removed or swapped
// with their neighbour to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}

// secret looks at project.secrets.NAME in handlers.
func (c *checker) secret(p *program, dot *ast.DotExpression) {
	if c.opts.Project == nil {
		return
	}
	secrets, ok := dot.Left.(*ast.DotExpression)
	if !ok || secrets.Identifier.Name != "secrets" || !p.isProject(secrets.Left) {
		return
	}
	name := string(dot.Identifier.Name)
	if _, has := c.opts.Project.Secrets[name]; has {
		return
	}
	f := Finding{Level: Warning, Code: "unknown-secret", Message: fmt.Sprintf("the project has no secret %q: it is undefined here", name),
		Hint: fmt.Sprintf("brig secret set %s %s", c.opts.Project.Name, name)}
	var known []string
	for key := range c.opts.Project.Secrets {
		known = append(known, key)
	}
	slices.Sort(known)
	if meant := similar(name, known); meant != "" {
		f.Hint = fmt.Sprintf("did you mean %s?", meant)
	}
	c.report(p, dot.Idx0(), f)
}

// isProject reports whether e is the second parameter of a handler.
func (p *program) isProject(e ast.Expression) bool {
	id, ok := e.(*ast.Identifier)
	if !ok {
		return false
	}
	b := p.refs[id]
	if b == nil || b.param != 2 {
		return false
	}
	found := false
	engine.Walk(p.tree.Program, func(n ast.Node, _ []ast.Node) bool {
		call, ok := n.(*ast.CallExpression)
		if !ok || found {
			return !found
		}
		if _, listens := p.listens(call); listens && len(call.ArgumentList) > 1 {
			found = found || ast.Node(call.ArgumentList[1]) == b.paramOf
			if handler, ok := call.ArgumentList[1].(*ast.Identifier); ok && p.refs[handler] != nil {
				r := p.refs[handler]
				found = found || r.function != nil && r.function == b.paramOf || r.init != nil && ast.Node(r.init) == b.paramOf
			}
		}
		return true
	})
	return found
}
