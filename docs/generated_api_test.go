package docs

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// operation is what the reference says of a request.
type operation struct {
	OperationID string                 `yaml:"operationId"`
	Summary     string                 `yaml:"summary"`
	Description string                 `yaml:"description"`
	Scope       string                 `yaml:"x-scope"`
	Tags        []string               `yaml:"tags"`
	Security    *[]map[string][]string `yaml:"security"`
	Parameters  []parameter            `yaml:"parameters"`
}

// requests are those of a path.
type requests struct {
	Get, Post, Put, Patch, Delete *operation
}

func (r requests) all() map[string]*operation {
	return map[string]*operation{"GET": r.Get, "POST": r.Post, "PUT": r.Put, "PATCH": r.Patch, "DELETE": r.Delete}
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name        string `yaml:"name"`
	In          string `yaml:"in"`
	Description string `yaml:"description"`
	Required    bool   `yaml:"required"`
}

type openAPI struct {
	Info struct {
		Description string `yaml:"description"`
	} `yaml:"info"`
	Tags []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      map[string]requests `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter `yaml:"parameters"`
	} `yaml:"components"`
}

// TestGeneratedAPIReference writes the API's reference from its description.
func TestGeneratedAPIReference(t *testing.T) {
	text, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var api openAPI
	if err := yaml.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("# The API\n\n" + strings.TrimSpace(api.Info.Description) + `

Every server describes itself at ` + "`/api/openapi.yaml`" + ` and ` + "`/api/openapi.json`" + `, with all fields; tools make clients of it. A token
goes into the header ` + "`Authorization: Bearer …`" + `. [A guide with examples](../guide/api.md).

This file is generated from api/openapi.yaml: ` + "`make docs`" + `.
`)
	for _, tag := range api.Tags {
		fmt.Fprintf(&b, "\n## %s%s\n\n", strings.ToUpper(tag.Name[:1]), tag.Name[1:])
		if tag.Description != "" {
			fmt.Fprintf(&b, "%s\n\n", tag.Description)
		}
		b.WriteString("| request | what it does | parameters |\n|---|---|---|\n")
		for _, line := range api.rows(t, tag.Name) {
			b.WriteString(line)
		}
	}
	current(t, "reference/api.md", b.Bytes())
}

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// rows are the lines of a tag's table, by path.
func (api *openAPI) rows(t *testing.T, tag string) []string {
	var paths []string
	for path := range api.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var rows []string
	for _, path := range paths {
		for _, method := range methods {
			o := api.Paths[path].all()[method]
			if o == nil || !slices.Contains(o.Tags, tag) {
				continue
			}
			if o.Summary == "" {
				t.Errorf("%s %s has no summary", method, path)
			}
			what := o.Summary
			if o.Description != "" {
				what += " " + o.Description
			}
			if o.Scope != "" {
				what += " Scope `" + o.Scope + "`."
			}
			if o.Security != nil && len(*o.Security) == 0 {
				what += " Needs no token."
			}
			rows = append(rows, fmt.Sprintf("| `%s %s` | %s | %s |\n", method, path, cell(what), cell(api.parameters(o))))
		}
	}
	return rows
}

// parameters are those of the query and the headers; a path shows its own.
func (api *openAPI) parameters(o *operation) string {
	var list []string
	for _, p := range o.Parameters {
		if p.Ref != "" {
			p = api.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
		}
		if p.In == "path" {
			continue
		}
		text := "`" + p.Name + "`"
		if p.Description != "" {
			text += ": " + strings.TrimSuffix(p.Description, ".")
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// TestGeneratedTypesReference writes the script module's reference from the
// types that editors read.
func TestGeneratedTypesReference(t *testing.T) {
	text, err := os.ReadFile("../script/types/brigadier.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(`# The module brigadier

What scripts import, as editors see it: ` + "`brig init`" + ` writes these types into a project. [The guide](../guide/scripting.md)
tells how it is used.

This file is generated from script/types/brigadier.d.ts: ` + "`make docs`" + `.
`)
	for _, d := range declarations(string(text)) {
		fmt.Fprintf(&b, "\n## %s\n\n", d.name)
		if d.comment != "" {
			fmt.Fprintf(&b, "%s\n\n", d.comment)
		}
		fmt.Fprintf(&b, "```ts\n%s\n```\n", d.text)
	}
	current(t, "reference/brigadier.md", b.Bytes())
}

var jsdocLink = regexp.MustCompile(`\{@link (\w+)\}`)

type declaration struct{ name, comment, text string }

// declarations cuts a file of types into its exports: each begins in the first
// column, and ends with a line that does too.
func declarations(text string) []declaration {
	var all []declaration
	var comment, body []string
	name := ""
	for _, line := range strings.Split(text, "\n") {
		words := strings.FieldsFunc(line, func(r rune) bool {
			return !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
		})
		switch {
		case name == "" && (strings.HasPrefix(line, "/**") || strings.HasPrefix(line, " *")):
			if strings.HasPrefix(line, "/**") {
				comment = nil
			}
			line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "*/"))
			comment = append(comment, strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "/**"), "*"), " "))
			continue
		case name == "" && strings.HasPrefix(line, "export ") && len(words) > 2:
			name = words[2]
			if words[1] == "declare" || words[1] == "abstract" {
				name = words[3]
			}
		case name == "":
			continue
		}
		body = append(body, line)
		if over := strings.HasPrefix(line, "}") || strings.HasSuffix(line, ";") && !strings.HasPrefix(line, " "); over {
			all = append(all, declaration{name, strings.TrimSpace(jsdocLink.ReplaceAllString(strings.Join(comment, "\n"), "$1")), strings.Join(body, "\n")})
			name, body, comment = "", nil, nil
		}
	}
	return all
}
