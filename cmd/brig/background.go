package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// storedEvery is how often the store is asked for the build, and storedWithin
// how long.
const (
	storedEvery  = 10 * time.Millisecond
	storedWithin = time.Minute
)

// runInBackground starts this program again, apart from the terminal, to run
// the build, and prints the build's ID once the build is stored.
func (s *State) runInBackground(p *runPlan) error {
	program, err := s.Program()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	build := id.New(s.Now())
	argv := slices.DeleteFunc(slices.Clone(s.Args), func(a string) bool {
		return a == "-b" || a == "--background" || a == "--background=true"
	})
	cmd := exec.Command(program, append(argv, "--background=false", "--no-progress", "--build-id", build)...)
	cmd.Env = s.Environ()
	cmd.SysProcAttr = detached()
	if p.flags.payload == "-" {
		return brigade.Errorf(brigade.CodeUsage, "a build in the background cannot read its payload from standard input").
			WithHint("save the payload to a file and name it with -p")
	}
	// A file, because the program goes on writing when nobody reads any more.
	said, err := os.CreateTemp("", "brig-background-*")
	if err != nil {
		return fmt.Errorf("start the build in the background: %w", err)
	}
	defer func() { _ = os.Remove(said.Name()) }() // Windows refuses while it is open
	defer func() { _ = said.Close() }()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the build in the background: %w", err)
	}
	if began, err := s.awaitStored(cmd, p.options.Dirs, build); err != nil {
		return err
	} else if !began { // it says why
		text, err := os.ReadFile(said.Name())
		if err != nil {
			return fmt.Errorf("read what the program in the background said: %w", err)
		}
		s.exit = max(1, cmd.ProcessState.ExitCode())
		_, err = s.Stderr.Write(text)
		return err
	}
	if p.flags.output == "json" {
		return writeJSON(s.Stdout, map[string]string{"build": build, "worker": (&brigade.Build{ID: build}).WorkerID()})
	}
	_, err = fmt.Fprintf(s.Stdout, "Build: %s, Worker: brigade-worker-%s\n", build, build)
	return err
}

// awaitStored waits until the program that was started has stored the build;
// it reports false when the program ended without that.
func (s *State) awaitStored(cmd *exec.Cmd, dirs app.Dirs, id string) (began bool, err error) {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the build's end is in the store, if it got that far
		close(ended)
	}()
	store, err := app.OpenStore(s.Context, dirs)
	if err != nil {
		return false, err
	}
	defer func() { _ = store.Close() }()
	stored := func() bool {
		_, err := store.Build(s.Context, id)
		return err == nil
	}
	tick := time.NewTicker(storedEvery)
	defer tick.Stop()
	late := time.After(storedWithin)
	for !stored() {
		select {
		case <-tick.C:
		case <-ended:
			return stored(), nil
		case <-late:
			return false, brigade.Errorf(brigade.CodeInternal, "the build in the background has not begun after %s", storedWithin)
		case <-s.Context.Done():
			return false, context.Cause(s.Context)
		}
	}
	return true, nil
}
