// Package scaffold writes what a new project starts with, for `brig init`: a
// script, what an editor needs to complete and check it, and a README.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	brigade "github.com/brigadecore/brigade/v3"
)

// Language is what the script is written in.
type Language string

// The languages.
const (
	JavaScript Language = "js"
	TypeScript Language = "ts"
)

// Templates are what there is to start from: a script that shows how it is
// done, checks of pushes and pull requests, and releases of tags. All but the
// first come with tests.
var Templates = []string{"hello", "ci", "release"}

// TypesPath is where the declarations of brigadier go, slash-separated and
// relative to the project.
const TypesPath = ".brigade/types/brigadier.d.ts"

// nodePath is where what else scripts find is declared, loosely.
const nodePath = ".brigade/types/node.d.ts"

// Options say what to write. The zero value writes a JavaScript project
// without types, named after its directory.
type Options struct {
	Name     string   // of the project; default: the directory's
	Language Language // default JavaScript
	// Template is what the script does, one of Templates; "" is the first.
	Template string
	// Types is the text of brigadier.d.ts. Without it none is written, and an
	// editor knows nothing about brigadier.
	Types string
	// TestTypes is the text of the declarations of "brigade/test", what tests
	// import. Without it an editor knows nothing about that.
	TestTypes string
	// TypesOnly writes what an editor needs and nothing else: for a project
	// that has its script, and to bring its types up to date. A tsconfig.json
	// that is there stays as it is.
	TypesOnly bool
	// Force replaces files that exist.
	Force bool
}

// File is one file that Write wrote or left as it was.
type File struct {
	Path    string `json:"path"`    // slash-separated, relative to the project
	Purpose string `json:"purpose"` // a few words for people
	Action  Action `json:"action"`
}

// Action is what happened to a file.
type Action string

// The actions.
const (
	Created  Action = "created"
	Replaced Action = "replaced" // it existed and Force was set
	Extended Action = "extended" // lines were added, nothing was lost
	Kept     Action = "kept"     // it says already what it should
)

//go:embed files
var templates embed.FS

// plan is a file on its way.
type plan struct {
	path, purpose string
	text          []byte
	lines         bool // a list of lines: what is missing is added
	ours          bool // generated: a newer text replaces it
	optional      bool // whatever is there is as good
}

// Write writes the files of a new project into dir, which is created when it
// does not exist, and returns them in the order in which to show them. Unless
// o.Force is set, it changes nothing at all when one of them exists with another text:
// the error then is of CodeConflict and names them. A .gitignore is extended.
func Write(dir string, o Options) ([]File, error) {
	plans, err := o.plans(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, brigade.Errorf(brigade.CodeUsage, "%s is a file, not a directory", dir)
	}
	var files []File
	var conflicts []string
	for i := range plans {
		file, err := plans[i].compare(dir)
		if err != nil {
			return nil, err
		}
		if file.Action == Replaced && !o.Force && !plans[i].ours {
			conflicts = append(conflicts, file.Path)
		}
		files = append(files, file)
	}
	if len(conflicts) > 0 {
		return nil, conflict(dir, conflicts)
	}
	for i, p := range plans {
		if files[i].Action == Kept {
			continue
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(p.path)), p.text); err != nil {
			return files[:i], brigade.Errorf(brigade.CodeUsage, "write %s: %w", p.path, err)
		}
	}
	return files, nil
}

func conflict(dir string, paths []string) error {
	noun := "these files exist"
	if len(paths) == 1 {
		noun = "this file exists"
	}
	return brigade.Errorf(brigade.CodeConflict, "%s in %s already: %s", noun, dir, strings.Join(paths, ", ")).
		WithHint("nothing was written; --types leaves the script as it is, --force replaces what is there")
}

// plans returns the files for o, with their texts.
func (o Options) plans(dir string) ([]plan, error) {
	if o.Language == "" {
		o.Language = JavaScript
	}
	if o.Language != JavaScript && o.Language != TypeScript {
		return nil, brigade.Errorf(brigade.CodeUsage, "there is no language %q for scripts", o.Language).
			WithHint("use js or ts")
	}
	if o.Template == "" {
		o.Template = Templates[0]
	}
	if !slices.Contains(Templates, o.Template) {
		return nil, brigade.Errorf(brigade.CodeUsage, "there is no template %q", o.Template).
			WithHint("use one of %s", strings.Join(Templates, ", "))
	}
	if o.Name == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("find the name of the project: %w", err)
		}
		o.Name = filepath.Base(abs)
	}
	script := "brigade." + string(o.Language)
	if o.TypesOnly {
		script = existingScript(dir, script)
	}
	plans := []plan{
		{path: script, purpose: "the script: what happens on which event"},
		{path: "brigade.json", purpose: "npm packages the script needs"},
		{path: "tsconfig.json", purpose: "for editors: where the types are", optional: o.TypesOnly && !o.Force},
		{path: TypesPath, purpose: "for editors: the types of brigadier", text: []byte(o.Types), ours: true},
		{path: nodePath, purpose: "for editors: what else there is", ours: true},
		{path: ".gitignore", purpose: "what git does not keep", lines: true},
		{path: "BRIGADE.md", purpose: "how to run it"},
	}
	plans = slices.DeleteFunc(plans, func(p plan) bool {
		types := p.path == TypesPath || p.path == nodePath
		return types && o.Types == "" || o.TypesOnly && !types && p.path != "tsconfig.json"
	})
	if o.Template != Templates[0] && !o.TypesOnly {
		if err := o.fromTemplate(&plans); err != nil {
			return nil, err
		}
	}
	for i := range plans {
		if plans[i].text != nil {
			continue
		}
		text, err := render(plans[i].path, map[string]string{"Name": o.Name, "Script": script, "Types": TypesPath, "Node": nodePath})
		if err != nil {
			return nil, err
		}
		if plans[i].path == nodePath && o.TestTypes != "" {
			text = fmt.Appendf(text, "\ndeclare module \"brigade/test\" {\n%s}\n", o.TestTypes)
		}
		plans[i].text = text
	}
	return plans, nil
}

// existingScript is the name of the script that is in dir, or otherwise.
func existingScript(dir, otherwise string) string {
	for _, name := range []string{"brigade.ts", "brigade.mts", "brigade.js", "brigade.mjs", "brigade.cjs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name
		}
	}
	return otherwise
}

// fromTemplate makes the script that of the template, and adds its tests.
func (o Options) fromTemplate(plans *[]plan) error {
	data := map[string]any{"Name": o.Name, "TS": o.Language == TypeScript, "Head": "", "Import": `import { events, Job, Group } from "brigadier";`}
	if o.Language == JavaScript {
		data["Head"], data["Import"] = "// @ts-check\n", `const { events, Job, Group } = require("brigadier");`
	}
	text, err := renderFile("files/template/"+o.Template+".tmpl", data)
	if err != nil {
		return err
	}
	(*plans)[0].text = text
	if text, err = renderFile("files/template/"+o.Template+"_test.tmpl", data); err != nil {
		return err
	}
	*plans = slices.Insert(*plans, 1, plan{path: "brigade.test." + string(o.Language), purpose: "tests of the script, for brig test", text: text})
	return nil
}

func render(path string, data map[string]string) ([]byte, error) {
	return renderFile("files/"+strings.TrimPrefix(path[strings.LastIndex(path, "/")+1:], ".")+".tmpl", data)
}

func renderFile(name string, data any) ([]byte, error) {
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("fill template %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// compare says what writing p into dir would do. For a list of lines, p.text
// becomes what is there with the missing lines behind it.
func (p *plan) compare(dir string) (File, error) {
	file := File{Path: p.path, Purpose: p.purpose, Action: Created}
	old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.path)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, nil
	case err != nil:
		return file, brigade.Errorf(brigade.CodeUsage, "read %s: %w", p.path, err)
	case p.lines:
		missing := missingLines(old, p.text)
		file.Action = Extended
		if len(missing) == 0 {
			file.Action = Kept
			return file, nil
		}
		if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
			old = append(old, '\n')
		}
		p.text = append(old, missing...)
		return file, nil
	case p.optional, bytes.Equal(old, p.text):
		file.Action = Kept
		return file, nil
	}
	file.Action = Replaced
	return file, nil
}

// missingLines returns those lines of wanted that old does not have.
func missingLines(old, wanted []byte) []byte {
	have := map[string]bool{}
	for line := range strings.Lines(string(old)) {
		have[strings.TrimSpace(line)] = true
	}
	var b strings.Builder
	for line := range strings.Lines(string(wanted)) {
		if !have[strings.TrimSpace(line)] {
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
