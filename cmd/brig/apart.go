package main

import (
	"context"
	"os"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/wire"
	"github.com/brigadecore/brigade/v3/tui"
)

// apartVariable says that this is the process in which a command runs apart.
const apartVariable = "BRIGADE_APART"

// apart does what runs a script without a build, in a process of its own whose
// memory is limited: this program once more, with the same arguments. An
// endless loop that fills memory then ends that process, and not the machine.
func (s *State) apart(ctx context.Context, f *runFlags, do func(ctx context.Context) error) error {
	memory, err := bytesFlag("--script-memory", f.scriptMemory)
	if err != nil {
		return err
	}
	if memory <= 0 {
		memory = wire.DefaultMemory
	}
	if s.isApart() {
		if err := wire.LimitMemory(memory, func() { s.outOfMemory(memory) }); err != nil {
			return brigade.Errorf(brigade.CodeInternal, "the memory cannot be limited: %w", err)
		}
	}
	if s.InProcess || s.isApart() {
		return do(ctx)
	}
	program, err := s.Program()
	if err != nil {
		return brigade.Errorf(brigade.CodeInternal, "find this program: %w", err)
	}
	a := &wire.Apart{
		Program: program, Args: s.Args, Env: append(s.Environ(), apartVariable+"=1"),
		Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Memory: memory,
	}
	s.exit, err = a.Run(ctx)
	return err
}

// isApart reports whether this is the process that apart starts.
func (s *State) isApart() bool { return s.Getenv(apartVariable) != "" }

// outOfMemory ends this process because the script that it tries needs too
// much.
func (s *State) outOfMemory(limit int64) {
	err := brigade.Errorf(brigade.CodeScriptLimit, "the script used more than %d MiB of memory", limit>>20).
		WithHint("look for a loop that never ends in what comes after the last line above, or raise the limit with --script-memory")
	_, _, terminal := s.Terminal()
	_ = tui.PrintError(s.Stderr, err, !s.noColor && tui.WantsColor(s.Getenv, terminal))
	os.Exit(brigade.CodeOf(err).ExitCode())
}

// ownEnviron is the environment without what apart adds to it.
func (s *State) ownEnviron() []string {
	all := s.Environ()
	if !s.isApart() {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(pair string) bool {
		return strings.HasPrefix(pair, apartVariable+"=") || pair == "GOTRACEBACK=none"
	})
}
