package dispatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestLocateOrder(t *testing.T) {
	everything := func() (*brigade.Project, *brigade.Build, map[string]string) {
		p := brigade.NewProject("p")
		p.ScriptPath, p.DefaultScript = "ci/main.js", "// default"
		p.ConfigPath, p.DefaultConfig = "ci/main.json", "{default}"
		b := &brigade.Build{Event: brigade.Event{Script: "// sent", ScriptFile: "sent.ts", Config: "{sent}"}}
		return p, b, map[string]string{"ci/main.js": "// path", "ci/main.json": "{path}", "brigade.js": "// repo", "brigade.ts": "// ts", "brigade.json": "{repo}"}
	}
	for name, c := range map[string]struct {
		remove             []string
		change             func(p *brigade.Project, b *brigade.Build)
		text, file, config string
	}{
		"the project's path":    {text: "// path", file: "ci/main.js", config: "{path}"},
		"sent with the event":   {remove: []string{"ci/main.js", "ci/main.json"}, text: "// sent", file: "sent.ts", config: "{sent}"},
		"an absolute path":      {change: func(p *brigade.Project, _ *brigade.Build) { p.ScriptPath, p.ConfigPath = "/etc/passwd", "/etc/passwd" }, text: "// sent", file: "sent.ts", config: "{sent}"},
		"a path that leads out": {change: func(p *brigade.Project, _ *brigade.Build) { p.ScriptPath, p.ConfigPath = "../x", "../x" }, text: "// sent", file: "sent.ts", config: "{sent}"},
		"the repository's": {change: func(p *brigade.Project, b *brigade.Build) {
			p.ScriptPath, p.ConfigPath, b.Event = "", "", brigade.Event{}
		}, text: "// repo", file: "brigade.js", config: "{repo}"},
		"the repository's in ts":    {remove: []string{"brigade.js"}, change: func(p *brigade.Project, b *brigade.Build) { p.ScriptPath, b.Event = "", brigade.Event{} }, text: "// ts", file: "brigade.ts", config: "{path}"},
		"the project's default":     {remove: []string{"ci/main.js", "ci/main.json", "brigade.js", "brigade.ts", "brigade.json"}, change: func(_ *brigade.Project, b *brigade.Build) { b.Event = brigade.Event{} }, text: "// default", file: "brigade.js", config: "{default}"},
		"an empty one is no script": {change: func(p *brigade.Project, b *brigade.Build) { p.ScriptPath, b.Event.Script = "", " \n" }, text: "// repo", file: "brigade.js", config: "{path}"},
	} {
		t.Run(name, func(t *testing.T) {
			p, b, files := everything()
			for _, f := range c.remove {
				delete(files, f)
			}
			if c.change != nil {
				c.change(p, b)
			}
			got, err := locate(p, b, tree(t, files))
			if err != nil || got != (located{text: c.text, file: c.file, config: c.config}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLocateRefuses(t *testing.T) {
	p, b := brigade.NewProject("p"), &brigade.Build{}
	if _, err := locate(p, b, t.TempDir()); brigade.CodeOf(err) != brigade.CodeScriptLoad {
		t.Errorf("nothing: %v", err)
	}
	if _, err := locate(p, b, ""); brigade.CodeOf(err) != brigade.CodeScriptLoad {
		t.Errorf("no files at all: %v", err)
	}
	if _, err := locate(p, b, tree(t, map[string]string{"brigade.js": strings.Repeat(" ", brigade.MaxScriptBytes+1)})); brigade.CodeOf(err) != brigade.CodeTooLarge {
		t.Errorf("huge: %v", err)
	}
	if _, err := locate(p, b, tree(t, map[string]string{"brigade.js/x": ""})); brigade.CodeOf(err) != brigade.CodeScriptLoad {
		t.Errorf("a directory: %v", err)
	}
	dir := tree(t, nil)
	outside := tree(t, map[string]string{"secret.js": "// outside"})
	if err := os.Symlink(filepath.Join(outside, "secret.js"), filepath.Join(dir, "brigade.js")); err != nil {
		t.Skip("no symbolic links here")
	}
	if got, err := locate(p, b, dir); err == nil {
		t.Errorf("a link that leads out was followed: %+v", got)
	}
}

func TestParseOutputs(t *testing.T) {
	got := parseOutputs([]byte("a=1\nb = x=y \nno line\n=empty key\nc={\"k\":[1]}\nd={broken\r\n"))
	if got["a"] != "1" || got["b"] != " x=y " || got["d"] != "{broken" || len(got) != 4 {
		t.Errorf("got %#v", got)
	}
	if list := got["c"].(map[string]any)["k"].([]any); list[0] != 1.0 {
		t.Errorf("c = %#v", got["c"])
	}
	if got := parseOutputs([]byte(` {"x": true} `)); got["x"] != true {
		t.Errorf("object: %#v", got)
	}
	got = parseOutputs([]byte("a=1\n{\"a\": 2, \"url\": \"x?y=z\"}\nb=3\n{\"c\": {\"d\": 4}}\n{not=json\n"))
	if got["a"] != 2.0 || got["url"] != "x?y=z" || got["b"] != "3" || got["c"].(map[string]any)["d"] != 4.0 || got["{not"] != "json" || len(got) != 5 {
		t.Errorf("lines that are objects: %#v", got)
	}
	if parseOutputs(nil) != nil {
		t.Error("nothing must be nil")
	}
}
