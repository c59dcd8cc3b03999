// Command cmd runs the fault test for as long as a person wants.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/fault"
	"github.com/brigadecore/brigade/v3/e2e/program"
	"github.com/brigadecore/brigade/v3/runner/process"
)

func main() {
	if handled, code := process.InitMain(os.Args); handled {
		os.Exit(code)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(1)
	}
}

func run() error {
	opt := fault.Options{Workers: true, Clients: true, Logf: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}}
	flag.StringVar(&opt.Program, "brig", "", "the brig to test; built when not given")
	flag.IntVar(&opt.Builds, "builds", 500, "events to send")
	flag.DurationVar(&opt.For, "for", 0, "time over which they are sent; 0: as fast as they are taken")
	flag.DurationVar(&opt.KillEvery, "kill-every", 2*time.Second, "mean time between two faults")
	flag.StringVar(&opt.Runner, "runner", "process", "process or docker")
	flag.Uint64Var(&opt.Seed, "seed", 0, "of what is random")
	flag.BoolVar(&opt.Disk, "disk", fault.CanFillDisk(), "fill the disk, which takes root")
	flag.Parse()
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		opt.Env = append(opt.Env, "DOCKER_HOST="+host)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "brig-fault-")
	if err != nil {
		return err
	}
	if opt.Program, err = ownProgram(ctx, opt.Program, dir); err != nil {
		return err
	}
	opt.Isolated, _ = process.Isolated()
	opt.Dir = dir
	report, err := fault.Run(ctx, opt)
	if report != nil {
		if err := report.Write(os.Stdout); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("%d problems; everything is in %s", len(report.Problems), dir)
	}
	return os.RemoveAll(dir)
}

// ownProgram puts the program to test where nothing else is run from, so that
// its processes can be told from those of other servers of this machine. It is
// built when none is given.
func ownProgram(ctx context.Context, given, dir string) (string, error) {
	if given == "" {
		return program.Build(ctx, dir)
	}
	data, err := os.ReadFile(given)
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	own := filepath.Join(dir, "brig")
	if err := os.WriteFile(own, data, 0o755); err != nil {
		return "", fmt.Errorf("copy the program: %w", err)
	}
	return own, nil
}
