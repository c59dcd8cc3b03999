package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/projectfile"
)

// The schema and the table of project.yaml come from brigade.Project: types by
// reflection, descriptions from the comments in project.go and job.go.

// choices are the fields with few values.
var choices = map[string][]string{
	"concurrency.strategy": {
		string(brigade.StrategyQueue), string(brigade.StrategyCancelOldest), string(brigade.StrategyNewestWins), string(brigade.StrategyReject),
	},
	"schedules[].catchUp": {"none", "last", "all"},
	"worker.pullPolicy":   {"Always", "IfNotPresent", "Never"},
}

// required are the fields that must be there.
var required = map[string][]string{"": {"kind", "name"}, "schedules[]": {"name", "cron"}, "retry": {"limit"}}

// durationPattern is what a text of a duration looks like.
const durationPattern = `^[+-]?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$|^[0-9]+(\.[0-9]+)?$`

// ordered is a JSON object whose keys keep their order.
type ordered struct {
	keys   []string
	values map[string]any
}

func object(pairs ...any) *ordered {
	o := &ordered{values: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func (o *ordered) set(key string, value any) {
	o.keys = append(o.keys, key)
	o.values[key] = value
}

func (o *ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(k)
		value, err := json.Marshal(o.values[k])
		if err != nil {
			return nil, err
		}
		b.Write(append(append(key, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// row is a line of the table.
type row struct{ path, kind, usual, about string }

type generator struct {
	comments map[string]string // Type.Field → comment
	secrets  map[string]bool
	rows     []row
}

func newGenerator(t *testing.T) *generator {
	t.Helper()
	g := &generator{comments: map[string]string{}, secrets: map[string]bool{"secrets": true}}
	for _, f := range projectfile.SecretFields() {
		g.secrets[f.Path] = true
	}
	for _, file := range []string{"../project.go", "../job.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range st.Fields.List {
				for _, name := range field.Names {
					g.comments[spec.Name.Name+"."+name.Name] = strings.TrimSpace(field.Comment.Text())
				}
			}
			return true
		})
	}
	return g
}

// sentence is a comment as a sentence.
func sentence(comment string) string {
	if comment == "" {
		return ""
	}
	comment = strings.Replace(comment, ", see ProjectID", "", 1)
	first := []rune(comment)
	if !strings.HasPrefix(comment, "brigade.js") {
		first[0] = unicode.ToUpper(first[0])
	}
	return strings.TrimRight(string(first), ".…") + "."
}

// fields is the schema of a struct; it adds its fields to the table.
func (g *generator) fields(t *testing.T, v reflect.Value, path string) *ordered {
	t.Helper()
	properties := object()
	if path == "" {
		properties.set("$schema", object("type", "string", "description", "Where the schema is, for editors."))
		properties.set("apiVersion", object("const", projectfile.APIVersion, "description", "May be left out."))
		properties.set("kind", object("const", projectfile.Kind, "description", "Says that this is a project."))
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		about := g.comments[v.Type().Name()+"."+field.Name]
		at := strings.TrimPrefix(path+"."+name, ".")
		if about == "" {
			t.Errorf("%s.%s has no comment that says what %s is", v.Type().Name(), field.Name, at)
		}
		properties.set(name, g.field(t, v.Field(i), at, sentence(about)))
	}
	schema := object("type", "object", "additionalProperties", false)
	if names := required[path]; names != nil {
		schema.set("required", names)
	}
	schema.set("properties", properties)
	return schema
}

// field is the schema of one field.
func (g *generator) field(t *testing.T, v reflect.Value, path, about string) *ordered {
	t.Helper()
	schema, kind := g.typed(t, v, path, about)
	if kind != "" {
		usual := ""
		if k := v.Kind(); (k == reflect.Bool || k == reflect.String && !v.IsZero()) && path != "id" && path != "name" && path != "repository" {
			usual = fmt.Sprint(v.Interface())
			schema.set("default", v.Interface())
		}
		g.rows = append(g.rows, row{path, kind, usual, about})
	}
	if about != "" {
		schema.set("description", about)
	}
	if g.secrets[path] {
		schema.set("writeOnly", true)
	}
	return schema
}

// typed is the schema of a type, and its name for the table; none for structs,
// whose fields are there.
func (g *generator) typed(t *testing.T, v reflect.Value, path, about string) (schema *ordered, kind string) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[brigade.Duration]():
		return object("type", []string{"string", "number"}, "pattern", durationPattern), "duration"
	case v.Kind() == reflect.Pointer:
		return g.fields(t, reflect.New(v.Type().Elem()).Elem(), path), ""
	case v.Kind() == reflect.Struct:
		return g.fields(t, v, path), ""
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		items := g.fields(t, reflect.New(v.Type().Elem()).Elem(), path+"[]")
		return object("type", "array", "items", items), ""
	case v.Kind() == reflect.Slice:
		return object("type", "array", "items", object("type", "string")), "list of texts"
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Int:
		return object("type", "object", "additionalProperties", object("type", "integer")), "mapping to whole numbers"
	case v.Kind() == reflect.Map:
		return object("type", "object"), "mapping"
	case v.Kind() == reflect.Bool:
		return object("type", "boolean"), "true or false"
	case v.Kind() == reflect.Int:
		return object("type", "integer"), "whole number"
	case v.Kind() == reflect.String && choices[path] != nil:
		return object("type", "string", "enum", choices[path]), "`" + strings.Join(choices[path], "`, `") + "`"
	case v.Kind() == reflect.String:
		return object("type", "string"), "text"
	}
	t.Fatalf("%s: there is no schema for %s", path, v.Type())
	return nil, ""
}

func (g *generator) schema(t *testing.T) []byte {
	t.Helper()
	p := brigade.NewProject("x")
	fields := g.fields(t, reflect.ValueOf(p).Elem(), "")
	schema := object(
		"$schema", "https://json-schema.org/draft/2020-12/schema",
		"$id", projectfile.SchemaURL,
		"title", "A project of Brigade",
		"description", "What brig project apply -f reads. Generated from project.go.",
	)
	for _, k := range fields.keys {
		schema.set(k, fields.values[k])
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGeneratedProjectReference(t *testing.T) {
	g := newGenerator(t)
	current(t, "reference/project.schema.json", g.schema(t))
	var b bytes.Buffer
	b.WriteString(`# project.yaml

What ` + "`brig project apply -f`" + ` reads, as YAML or JSON; [the guide](../guide/projects.md) shows how to use it. Only
` + "`kind: Project` and `name`" + ` are needed. Editors check and complete it with [the JSON Schema](project.schema.json), which
this line at the top names:

` + "```yaml\n# yaml-language-server: $schema=" + projectfile.SchemaURL + "\n```" + `

A duration is written like ` + "`90s`, `1h30m` or `7d`" + `, or as a number of seconds. Fields marked 🔒 are secrets: what a file
does not say about them stays as it is stored.

This file is generated from project.go: ` + "`make docs`" + `.

| field | type | default | what it is |
|---|---|---|---|
`)
	for _, r := range g.rows {
		lock := ""
		if g.secrets[r.path] {
			lock = " 🔒"
		}
		usual := r.usual
		if usual != "" {
			usual = "`" + usual + "`"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s | %s |\n", r.path, lock, r.kind, usual, strings.ReplaceAll(r.about, "|", `\|`))
	}
	current(t, "reference/project.md", b.Bytes())
}

// TestProjectSchema checks that examples are valid and mistakes are not.
func TestProjectSchema(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	schema, err := compiler.Compile("reference/project.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			return err
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			return err
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			return err
		}
		return schema.Validate(instance)
	}
	good := "../projectfile/testdata/good/"
	files := []string{good + "minimal.yaml", good + "full.yaml"}
	examples, _ := filepath.Glob("../examples/*/project.yaml")
	for _, file := range append(files, examples...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		projects, _, err := projectfile.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range projects {
			written, err := projectfile.FormatYAML(p, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := valid(written); err != nil {
				t.Errorf("%s, written again: %v\n%s", file, err, written)
			}
		}
	}
	shown := 0
	for _, block := range yamlBlocks(t, "guide/projects.md") {
		if !strings.Contains(block, "kind: Project") {
			continue
		}
		shown++
		if err := valid([]byte(block)); err != nil {
			t.Errorf("the guide: %v\n%s", err, block)
		}
		if _, _, err := projectfile.Parse("guide/projects.md", []byte(block), intake.Check); err != nil {
			t.Errorf("the guide: %v\n%s", err, block)
		}
	}
	if shown == 0 {
		t.Error("the guide shows no project")
	}
	for _, text := range []string{
		"name: a/b", "kind: Project", "{kind: Project, name: a/b, limts: {}}", "{kind: Project, name: a/b, limits: {timeout: soon}}",
		"{kind: Project, name: a/b, concurrency: {strategy: x}}", "{kind: Project, name: a/b, schedules: [{name: x}]}",
		"{kind: Project, name: a/b, allowHostMounts: 'yes'}", "{kind: Secret, name: a/b}",
	} {
		if valid([]byte(text)) == nil {
			t.Errorf("valid by the schema: %s", text)
		}
	}
}

// yamlBlocks are the blocks of YAML that a page shows.
func yamlBlocks(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(text), "\n```yaml")[1:] {
		_, block, _ := strings.Cut(part, "\n")
		block, _, _ = strings.Cut(block, "\n```")
		blocks = append(blocks, block+"\n")
	}
	return blocks
}
