package main

import (
	"fmt"
	"os/exec"
	"slices"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// runInBackground starts this program again, apart from the terminal, to run
// the build, and prints the build's ID.
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
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the build in the background: %w", err)
	}
	if err := cmd.Process.Release(); err != nil {
		return fmt.Errorf("let go of the build: %w", err)
	}
	if p.flags.output == "json" {
		return writeJSON(s.Stdout, map[string]string{"build": build, "worker": (&brigade.Build{ID: build}).WorkerID()})
	}
	_, err = fmt.Fprintf(s.Stdout, "Build: %s, Worker: brigade-worker-%s\n", build, build)
	return err
}
