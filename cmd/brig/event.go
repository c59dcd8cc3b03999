package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/source"
)

var scriptEndings = []string{".js", ".ts", ".mjs", ".mts", ".cjs", ".cts"}

// isScriptFile reports whether an argument is rather a script than a project.
func isScriptFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && slices.Contains(scriptEndings, filepath.Ext(name))
}

// event is what the flags describe. For a build that is run again, flags that
// are given override what it had.
func (s *State) event(cmd *cobra.Command, f *runFlags, dir string, again *brigade.Build) (brigade.Event, error) {
	e := brigade.Event{Provider: "brigade-cli", Type: f.event}
	given := cmd.Flags().Changed
	if again != nil {
		e = again.Event
		e.Key = ""
		if given("event") {
			e.Type = f.event
		}
	}
	if e.Type == "" {
		return e, brigade.Errorf(brigade.CodeUsage, "the event has no name").WithHint("name it with -e, such as -e push")
	}
	if again == nil || given("level") {
		e.LogLevel = brigade.LogLevel(strings.ToUpper(f.level))
	}
	if !e.LogLevel.Valid() {
		return e, brigade.Errorf(brigade.CodeUsage, "there is no log level %q", f.level).WithHint("use one of all, log, info, warn, error, none")
	}
	if err := s.payload(f, &e); err != nil {
		return e, err
	}
	if err := readScripts(f, dir, &e); err != nil {
		return e, err
	}
	revision(f, dir, again, &e)
	return e, nil
}

func (s *State) payload(f *runFlags, e *brigade.Event) error {
	switch {
	case f.inline != "":
		e.Payload = f.inline
	case f.payload == "-":
		text, err := io.ReadAll(io.LimitReader(s.Stdin, brigade.MaxPayloadBytes+1))
		if err != nil {
			return fmt.Errorf("read the payload from standard input: %w", err)
		}
		e.Payload = string(text)
	case f.payload != "":
		text, err := readInput("payload", f.payload, brigade.MaxPayloadBytes)
		if err != nil {
			return brigadeHint(err, "give a payload as text with -i, or from standard input with -p -")
		}
		e.Payload = text
	}
	if len(e.Payload) > brigade.MaxPayloadBytes {
		return brigade.Errorf(brigade.CodeTooLarge, "the payload is larger than %d MiB", brigade.MaxPayloadBytes>>20)
	}
	return nil
}

// readScripts reads the files that -f and --config name.
func readScripts(f *runFlags, dir string, e *brigade.Event) error {
	if f.script != "" {
		text, err := readInput("script", f.script, brigade.MaxScriptBytes)
		if err != nil {
			return brigadeHint(err, "-f names a JavaScript or TypeScript file; make one with brig init")
		}
		if strings.TrimSpace(text) == "" {
			return brigade.Errorf(brigade.CodeScriptLoad, "the script %s is empty", f.script).WithHint("brig init writes one to start from")
		}
		e.Script, e.ScriptFile = text, nameIn(dir, f.script)
	}
	if f.config != "" {
		text, err := readInput("configuration", f.config, brigade.MaxScriptBytes)
		if err != nil {
			return err
		}
		e.Config = text
	}
	return nil
}

// nameIn is the file's name relative to dir when it is below, else its last part.
func nameIn(dir, file string) string {
	abs, err := filepath.Abs(file)
	if err == nil && dir != "" {
		if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(file)
}

// readInput reads a file that a flag names.
func readInput(what, name string, limit int64) (string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", brigade.Errorf(brigade.CodeUsage, "there is no %s file %s", what, name)
	case err != nil:
		return "", brigade.Errorf(brigade.CodeUsage, "the %s file %s cannot be read: %w", what, name, err)
	case info.IsDir():
		return "", brigade.Errorf(brigade.CodeUsage, "%s is a directory, not a %s file", name, what)
	case info.Size() > limit:
		return "", brigade.Errorf(brigade.CodeTooLarge, "the %s file %s is larger than %d MiB", what, name, limit>>20)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", brigade.Errorf(brigade.CodeUsage, "the %s file %s cannot be read: %w", what, name, err)
	}
	return string(text), nil
}

func brigadeHint(err error, hint string) error {
	if e, ok := asKnown(err); ok && e.Hint == "" {
		return e.WithHint("%s", hint)
	}
	return err
}

// asKnown is the error for people in err's chain.
func asKnown(err error) (*brigade.Error, bool) {
	var e *brigade.Error
	return e, errors.As(err, &e)
}

// revision is what is checked out, unless the flags or the earlier build say
// otherwise; v1's default ref is master.
func revision(f *runFlags, dir string, again *brigade.Build, e *brigade.Event) {
	if f.repo != "" {
		e.CloneURL = f.repo
	}
	if f.commit != "" || f.ref != "" {
		e.Revision = brigade.Revision{Commit: f.commit, Ref: f.ref}
		return
	}
	if again != nil || f.repo != "" {
		return
	}
	e.Revision = source.Head(dir)
	if e.Revision == (brigade.Revision{}) {
		e.Revision.Ref = "master"
	}
}
