package dispatch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// scriptNames are the files looked for in a repository, first one first.
var scriptNames = []string{"brigade.js", "brigade.ts", "brigade.mjs", "brigade.mts", "brigade.cjs", "brigade.cts"}

type located struct {
	text, file string // the script and the name it is known by
	config     string // brigade.json, may be empty
}

// locate finds the script and its configuration: v1's order, the first that
// exists and is not empty. The project's path, what came with the event, the
// repository's file, the project's default.
func locate(p *brigade.Project, b *brigade.Build, dir string) (located, error) {
	candidates := []func() (located, error){
		func() (located, error) { return inRepository(dir, p.ScriptPath) },
		func() (located, error) { return sentScript(b), nil },
		func() (located, error) { return inRepository(dir, scriptNames...) },
		func() (located, error) { return located{text: p.DefaultScript, file: "brigade.js"}, nil },
	}
	var found located
	for _, candidate := range candidates {
		var err error
		if found, err = candidate(); err != nil {
			return located{}, err
		}
		if strings.TrimSpace(found.text) != "" {
			break
		}
	}
	if strings.TrimSpace(found.text) == "" {
		where := "the project has no default script"
		if dir != "" {
			where = "there is no brigade.js or brigade.ts in " + dir
		}
		return located{}, brigade.Errorf(brigade.CodeScriptLoad, "there is no script to run: %s", where).
			WithHint("name one with -f, or make one with brig init")
	}
	config, err := locateConfig(p, b, dir)
	found.config = config
	return found, err
}

func sentScript(b *brigade.Build) located {
	file := b.Event.ScriptFile
	if file == "" {
		file = "brigade.js"
	}
	return located{text: b.Event.Script, file: file}
}

func locateConfig(p *brigade.Project, b *brigade.Build, dir string) (string, error) {
	own, err := inRepository(dir, p.ConfigPath)
	if err != nil || own.text != "" {
		return own.text, err
	}
	if b.Event.Config != "" {
		return b.Event.Config, nil
	}
	repo, err := inRepository(dir, "brigade.json")
	if err != nil || repo.text != "" {
		return repo.text, err
	}
	return p.DefaultConfig, nil
}

// inRepository reads the first of the files that exists below dir. Paths that
// lead out of dir, absolute ones too, are ignored, as v1 does.
func inRepository(dir string, names ...string) (located, error) {
	if dir == "" {
		return located{}, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return located{}, fmt.Errorf("open the source directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	for _, name := range names {
		if name == "" || !filepath.IsLocal(name) {
			continue
		}
		text, err := readScript(root, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return located{}, err
		}
		return located{text: text, file: filepath.ToSlash(name)}, nil
	}
	return located{}, nil
}

func readScript(root *os.Root, name string) (string, error) {
	info, err := root.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", brigade.Errorf(brigade.CodeScriptLoad, "%s is not a regular file", name)
	}
	if info.Size() > brigade.MaxScriptBytes {
		return "", brigade.Errorf(brigade.CodeTooLarge, "%s is %d bytes, more than the %d a script may have", name, info.Size(), brigade.MaxScriptBytes).
			WithHint("move data out of the script: jobs can read it from the source")
	}
	text, err := root.ReadFile(name)
	return string(text), err
}
