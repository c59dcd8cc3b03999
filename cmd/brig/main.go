// Command brig runs event-driven scripts for containers.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/term"

	_ "github.com/brigadecore/brigade/v3/internal/quickstart"
	"github.com/brigadecore/brigade/v3/runner/process"
)

func main() {
	if handled, code := process.InitMain(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(Main(system()))
}

// system is the machine as the program finds it.
func system() *State {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	return &State{
		Args: os.Args[1:], Getenv: os.Getenv, Environ: os.Environ,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Interrupts: interrupts, Now: time.Now, GOOS: runtime.GOOS,
		Program: os.Executable, Getwd: os.Getwd, Home: os.UserHomeDir,
		Terminal: func() (width, height int, ok bool) {
			fd := int(os.Stdout.Fd())
			if !term.IsTerminal(fd) {
				return 0, 0, false
			}
			w, h, err := term.GetSize(fd)
			return w, h, err == nil
		},
		InputTerminal: func() bool { return term.IsTerminal(int(os.Stdin.Fd())) },
		Context:       context.Background(),
	}
}
