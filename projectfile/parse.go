// Package projectfile reads and writes projects as files: our own project.yaml,
// the Secret in which Brigade v1 keeps a project, and the values of v1's
// brigade-project chart. It knows files only: neither a store nor a cluster.
package projectfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
)

// Kind is what the field kind of our own form holds, APIVersion what its field
// apiVersion may hold when it is there.
const (
	Kind       = "Project"
	APIVersion = "brigade.sh/v3"
)

// SchemaURL is where the JSON Schema of our own form is published.
const SchemaURL = "https://raw.githubusercontent.com/brigadecore/brigade/main/docs/reference/project.schema.json"

// Placeholder stands for a secret in what is shown. A file that holds it where
// a secret belongs is refused.
const Placeholder = "REDACTED"

// Bounds of a file.
const (
	MaxBytes    = 8 << 20
	maxProjects = 10_000
	maxAliased  = 20_000 // looks at values that aliases repeat
	maxDepth    = 64
	maxProblems = 20
)

// Warning is something in a file that is probably not meant, but is no error.
type Warning struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// String is the warning as a line, with its place in front.
func (w Warning) String() string { return place(w.File, w.Line, w.Column) + ": " + w.Message }

// Check reports what is wrong with a project's values, as intake.Check does: in
// a message that begins with the JSON path of the setting and ": ".
type Check func(*brigade.Project) error

// Parse reads all projects of a file: YAML with one document or several, or
// JSON. Each document is a project in our own form (kind: Project), a v1
// project Secret (kind: Secret), a list of those, or the values of v1's
// brigade-project chart. Defaults are filled in. check may be nil.
//
// Everything that is wrong is a CodeInvalid error, a line for each, with file,
// line and column. It never shows values of secrets. name is only used there
// and in warnings.
func Parse(name string, data []byte, check Check) ([]*brigade.Project, []Warning, error) {
	if len(data) > MaxBytes {
		return nil, nil, brigade.Errorf(brigade.CodeTooLarge, "%s is larger than %d MiB", name, MaxBytes>>20)
	}
	r := &reader{file: name, check: check, seen: map[string]int{}}
	documents, err := documentsOf(name, data)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range documents {
		r.maxNodes += 4 * count(n) // how often a value is looked at, at the most
	}
	r.maxNodes += maxAliased
	for _, n := range documents {
		r.document(n, 0, false)
	}
	if err := r.err(); err != nil {
		return nil, r.warnings, err
	}
	return r.projects, r.warnings, nil
}

// reader gathers what a file holds.
type reader struct {
	file     string
	check    Check
	projects []*brigade.Project
	seen     map[string]int // ID → line
	warnings []Warning
	problems []problem
	more     int // problems beyond maxProblems
	nodes    int // looked at
	maxNodes int
	at       map[string]*yaml.Node // of the project being read: path → its value
}

// problem is one thing that is wrong.
type problem struct {
	line, column  int
	message, hint string
}

func place(file string, line, column int) string {
	switch {
	case line == 0:
		return file
	case column == 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// wrong records a problem at n.
func (r *reader) wrong(n *yaml.Node, hint, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, problem{n.Line, n.Column, fmt.Sprintf(format, args...), hint})
}

// warn records a warning at n.
func (r *reader) warn(n *yaml.Node, format string, args ...any) {
	if len(r.warnings) < maxProblems {
		r.warnings = append(r.warnings, Warning{r.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
	}
}

// err is all problems as one error.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var lines []string
	hint := ""
	for _, p := range r.problems {
		lines = append(lines, place(r.file, p.line, p.column)+": "+p.message)
		if hint == "" {
			hint = p.hint
		}
	}
	if r.more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", r.more))
	}
	return &brigade.Error{Code: brigade.CodeInvalid, Message: strings.Join(lines, "\n"), Hint: hint}
}

// document reads one document, or an item of a list.
func (r *reader) document(n *yaml.Node, depth int, inList bool) {
	n = r.resolve(n)
	if n == nil || isNull(n) {
		return
	}
	if depth > 2 || len(r.projects) >= maxProjects {
		r.wrong(n, "", "there are too many projects, or lists within lists")
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			r.document(item, depth+1, inList)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "", "a project is a mapping such as kind: Project, name: acme/app")
		return
	}
	fields := r.fields(n)
	kind := ""
	if k := find(fields, "kind"); k != nil {
		kind = k.value.Value
	}
	switch {
	case kind == Kind:
		r.ours(n, fields)
	case kind == "Secret":
		r.secret(n, fields, inList)
	case kind == "List", kind == "SecretList":
		if items := find(fields, "items"); items != nil {
			r.document(items.value, depth+1, true)
		}
	case kind == "" && find(fields, "kind") == nil && find(fields, "project") != nil && find(fields, "name") == nil:
		r.values(n, fields)
	case kind == "":
		r.wrong(n, "begin it with the line kind: Project", "this does not say what it is: there is no kind")
	default:
		r.wrong(find(fields, "kind").value, "a project is kind: Project, or one of v1 as kind: Secret", "kind %q is not a project", clip(kind))
	}
}

// add checks a project that was read from n and takes it in.
func (r *reader) add(n *yaml.Node, p *brigade.Project) {
	err := CheckValues(p)
	if err == nil && r.check != nil {
		err = r.check(p)
	}
	if err != nil {
		where, hint := n, ""
		var e *brigade.Error
		if errors.As(err, &e) {
			hint = e.Hint
		}
		path, _, _ := strings.Cut(err.Error(), ": ")
		if v := r.at[path]; v != nil {
			where = v
		}
		r.wrong(where, hint, "%s", err)
		return
	}
	if line, ok := r.seen[p.ID]; ok {
		r.wrong(n, "", "project %q is in line %d already", clip(p.Name), line)
		return
	}
	r.seen[p.ID] = n.Line
	for _, path := range []struct{ name, value string }{{"brigadejsPath", p.ScriptPath}, {"brigadeConfigPath", p.ConfigPath}} {
		if strings.HasPrefix(path.value, "/") {
			r.warn(cmp.Or(r.at[path.name], n), "%s is relative to the repository; an absolute path is ignored", path.name)
		}
	}
	r.projects = append(r.projects, p)
}
