package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
)

// triedScript is a script that is looked at or tried without a build.
type triedScript struct {
	dir     string // whose files it finds
	file    string // its name below dir, slash-separated
	text    string
	modules string // the node_modules directory with its packages, "" for none
}

// beside is a name in the directory of the script, below dir.
func (t *triedScript) beside(name string) string { return path.Join(path.Dir(t.file), name) }

// triedFlags adds the flags that say which script is tried.
func triedFlags(cmd *cobra.Command, f *runFlags) {
	fl := cmd.Flags()
	fl.StringVarP(&f.script, "file", "f", "", "`script` to try; default brigade.js or brigade.ts of the source directory")
	fl.StringVar(&f.dir, "source", "", "`directory` whose files the script finds; default the current one")
	fl.BoolVar(&f.offline, "offline", false, "take npm dependencies from the cache only")
	fl.BoolVar(&f.frozen, "frozen", false, "fail when npm dependencies do not match brigade.lock")
	_ = cmd.MarkFlagFilename("file", "js", "ts", "mjs", "mts", "cjs", "cts")
	_ = cmd.MarkFlagDirname("source")
	fl.StringVar(&f.scriptMemory, "script-memory", "512Mi", "memory the script may use")
	f.grace, f.logCap, f.runner = time.Second, "10Mi", "dummy"
}

// tried finds the script that the flags name and installs its packages.
func (s *State) tried(ctx context.Context, f *runFlags) (*triedScript, error) {
	opt, err := s.appOptions(f)
	if err != nil {
		return nil, err
	}
	t := &triedScript{dir: opt.Source.Dir}
	if t.file, err = findScript(t.dir, f.script); err != nil {
		return nil, err
	}
	if t.text, err = readInput("script", filepath.Join(t.dir, filepath.FromSlash(t.file)), brigade.MaxScriptBytes); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(t.dir, "brigade.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read brigade.json: %w", err)
	}
	t.modules, err = app.InstallPackages(ctx, opt, t.dir, t.text, string(config), func(text string) {
		fmt.Fprintln(s.Stderr, "warning: "+text)
	})
	return t, err
}

// findScript is the name below dir of the script that was named, else of the
// one that a build would run.
func findScript(dir, named string) (string, error) {
	if named != "" {
		if _, err := readInput("script", named, brigade.MaxScriptBytes); err != nil {
			return "", err
		}
		return below(dir, named, "script")
	}
	for _, ending := range scriptEndings {
		if info, err := os.Stat(filepath.Join(dir, "brigade"+ending)); err == nil && info.Mode().IsRegular() {
			return "brigade" + ending, nil
		}
	}
	return "", brigade.Errorf(brigade.CodeScriptLoad, "there is no brigade.js or brigade.ts in %s", dir).
		WithHint("name the script with -f, or make one with brig init")
}

// below is a file's name relative to dir, slash-separated.
func below(dir, file, what string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	rel, err := filepath.Rel(dir, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", brigade.Errorf(brigade.CodeUsage, "the %s %s is not below %s", what, file, dir).
			WithHint("name the directory it belongs to with --source")
	}
	return filepath.ToSlash(rel), nil
}
