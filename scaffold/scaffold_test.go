package scaffold_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/scaffold"
)

const types = "export declare class Job {}\n"

func actions(files []scaffold.File) map[string]scaffold.Action {
	m := map[string]scaffold.Action{}
	for _, f := range files {
		m[f.Path] = f.Action
	}
	return m
}

func read(t *testing.T, dir, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, dir, path, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWrite(t *testing.T) {
	for language, script := range map[scaffold.Language]string{"": "brigade.js", scaffold.JavaScript: "brigade.js", scaffold.TypeScript: "brigade.ts"} {
		t.Run(string(language), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "app")
			files, err := scaffold.Write(dir, scaffold.Options{Language: language, Types: types})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if f.Action != scaffold.Created || f.Purpose == "" {
					t.Errorf("%+v", f)
				}
				read(t, dir, f.Path)
			}
			if files[0].Path != script || !strings.Contains(read(t, dir, script), `events.on("exec"`) {
				t.Errorf("the first file is %s", files[0].Path)
			}
			if read(t, dir, scaffold.TypesPath) != types {
				t.Error("the types are not those given")
			}
			if !strings.Contains(read(t, dir, "BRIGADE.md"), "# app and Brigade") {
				t.Error("the project is not named after its directory")
			}
			checkPaths(t, dir, script)
		})
	}
}

// checkPaths checks that the tsconfig names files that are there.
func checkPaths(t *testing.T, dir, script string) {
	t.Helper()
	var config struct {
		CompilerOptions struct {
			Paths map[string][]string `json:"paths"`
		} `json:"compilerOptions"`
		Files []string `json:"files"`
	}
	if err := json.Unmarshal([]byte(read(t, dir, "tsconfig.json")), &config); err != nil {
		t.Fatal(err)
	}
	if config.Files[0] != script {
		t.Errorf("tsconfig checks %q", config.Files)
	}
	for _, name := range []string{"brigadier", "brigade", "@brigadecore/brigadier", "@azure/brigadier"} {
		if len(config.CompilerOptions.Paths[name]) != 1 {
			t.Fatalf("no path for %s", name)
		}
		read(t, dir, config.CompilerOptions.Paths[name][0])
	}
}

func TestWriteTwice(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if _, err := scaffold.Write(dir, scaffold.Options{Types: types}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := scaffold.Write(dir, scaffold.Options{Types: types})
	if err != nil {
		t.Fatal(err)
	}
	for path, action := range actions(files) {
		if action != scaffold.Kept {
			t.Errorf("%s is %s, want it kept", path, action)
		}
	}
}

func TestWriteChangesNothingOnConflict(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "brigade.js", "mine")
	put(t, dir, "tsconfig.json", "mine too")
	_, err := scaffold.Write(dir, scaffold.Options{Types: types})
	if brigade.CodeOf(err) != brigade.CodeConflict {
		t.Fatalf("error %v", err)
	}
	for _, name := range []string{"brigade.js", "tsconfig.json"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files, want the two that were there: %v", len(entries), err)
	}

	files, err := scaffold.Write(dir, scaffold.Options{Types: types, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	got := actions(files)
	if got["brigade.js"] != scaffold.Replaced || got["brigade.json"] != scaffold.Created || read(t, dir, "brigade.js") == "mine" {
		t.Errorf("actions %v", got)
	}
}

func TestWriteTypesOnly(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "brigade.js", "mine")
	o := scaffold.Options{Language: scaffold.TypeScript, Types: types, TypesOnly: true}
	files, err := scaffold.Write(dir, o)
	if err != nil || len(files) != 3 {
		t.Fatalf("wrote %v, %v", files, err)
	}
	checkPaths(t, dir, "brigade.js")

	put(t, dir, "tsconfig.json", "{}")
	o.Types += "// newer\n"
	files, err = scaffold.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	got := actions(files)
	if got["tsconfig.json"] != scaffold.Kept || got[scaffold.TypesPath] != scaffold.Replaced || read(t, dir, scaffold.TypesPath) != o.Types {
		t.Errorf("actions %v", got)
	}
}

func TestWriteExtendsGitignore(t *testing.T) {
	for _, old := range []string{"", "/dist", "/dist\n", "# mine\n\n/dist\n"} {
		dir := t.TempDir()
		put(t, dir, ".gitignore", old)
		files, err := scaffold.Write(dir, scaffold.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := read(t, dir, ".gitignore")
		if actions(files)[".gitignore"] != scaffold.Extended || !strings.HasPrefix(text, old) || !strings.HasSuffix(text, "\nnode_modules/\n") && old != "" {
			t.Errorf("%q became %q", old, text)
		}
	}
}

func TestWriteBadInput(t *testing.T) {
	dir := t.TempDir()
	if _, err := scaffold.Write(dir, scaffold.Options{Language: "coffee"}); brigade.CodeOf(err) != brigade.CodeUsage {
		t.Errorf("error %v", err)
	}
	put(t, dir, "file", "")
	for _, path := range []string{"file", "file/below"} {
		if _, err := scaffold.Write(filepath.Join(dir, path), scaffold.Options{}); brigade.CodeOf(err) != brigade.CodeUsage {
			t.Errorf("%s: error %v", path, err)
		}
	}
}
