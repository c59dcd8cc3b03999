package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/tui"
)

// State is everything the program takes from outside, so that every command
// can be run in a test.
type State struct {
	Args           []string
	Getenv         func(string) string
	Environ        func() []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Interrupts     <-chan os.Signal
	Now            func() time.Time
	GOOS           string
	Program        func() (string, error) // path of this program
	Getwd          func() (string, error)
	Home           func() (string, error)
	Terminal       func() (width, height int, ok bool) // of Stdout
	InputTerminal  func() bool                         // whether a person types on Stdin
	Context        context.Context
	InProcess      bool // scripts run in this process: for tests

	remote  remoteFlags
	kube    kubeFlags
	found   *target    // where commands work, once known
	renewal sync.Mutex // of an OpenID provider's token
	noColor bool
	verbose bool
	exit    int // what a command ends with when it reported the reason itself
}

// Main runs the program and returns its exit code.
func Main(s *State) int {
	root := newRoot(s)
	root.SetArgs(s.Args)
	err := root.ExecuteContext(s.Context)
	if err == nil {
		return s.exit
	}
	_, _, terminal := s.Terminal()
	_ = tui.PrintError(s.Stderr, err, !s.noColor && tui.WantsColor(s.Getenv, terminal))
	if known, ok := asKnown(err); ok && s.verbose && known.Err != nil && !strings.Contains(known.Message, known.Err.Error()) {
		fmt.Fprintln(s.Stderr, "cause: "+tui.Clean(known.Err.Error(), false))
	}
	return brigade.CodeOf(err).ExitCode()
}

// args wraps a check of positional arguments so that its errors are about usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &brigade.Error{Code: brigade.CodeUsage, Message: err.Error(), Hint: "see " + cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

// exclusive refuses flags that contradict each other.
func exclusive(cmd *cobra.Command, pairs ...[2]string) error {
	for _, p := range pairs {
		if cmd.Flags().Changed(p[0]) && cmd.Flags().Changed(p[1]) {
			return brigade.Errorf(brigade.CodeUsage, "--%s and --%s cannot be used together", p[0], p[1]).WithHint("leave one of them out")
		}
	}
	return nil
}

// dirs are where this user's installation keeps things: BRIGADE_STATE_DIR and
// BRIGADE_CACHE_DIR, else below the XDG directories.
func (s *State) dirs() (app.Dirs, error) {
	home, err := s.Home()
	if err != nil {
		home = ""
	}
	pick := func(own, xdg, fallback string) (string, error) {
		if dir := s.Getenv(own); dir != "" {
			return filepath.Abs(dir)
		}
		if dir := s.Getenv(xdg); filepath.IsAbs(dir) {
			return filepath.Join(dir, "brigade"), nil
		}
		if home == "" {
			return "", brigade.Errorf(brigade.CodeUsage, "there is no home directory to keep builds in").
				WithHint("set %s to a directory", own)
		}
		return filepath.Join(home, filepath.FromSlash(fallback), "brigade"), nil
	}
	state, err := pick("BRIGADE_STATE_DIR", "XDG_STATE_HOME", ".local/state")
	if err != nil {
		return app.Dirs{}, err
	}
	cache, err := pick("BRIGADE_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
	return app.Dirs{State: state, Cache: cache, Home: home}, err
}

// store opens the database of this user's installation.
func (s *State) store() (brigade.Store, error) {
	dirs, err := s.dirs()
	if err != nil {
		return nil, err
	}
	return app.OpenStore(s.Context, dirs)
}
