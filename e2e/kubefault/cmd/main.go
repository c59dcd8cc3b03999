// Command cmd runs the fault test of a cluster for as long as a person wants.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/kubefault"
	"github.com/brigadecore/brigade/v3/e2e/program"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kubefault:", err)
		os.Exit(1)
	}
}

func run() error {
	opt := kubefault.Options{Logf: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}}
	flag.StringVar(&opt.Program, "brig", "", "the brig to test; built when not given")
	flag.StringVar(&opt.Store, "store", "memory", "of the controllers: memory or sqlite")
	flag.IntVar(&opt.Builds, "builds", 200, "builds to make, at least")
	flag.IntVar(&opt.AtOnce, "at-once", 12, "builds that are open at the same time")
	flag.DurationVar(&opt.For, "for", 0, "how long to make builds and faults, at least")
	flag.IntVar(&opt.Faults, "faults", 4, "faults of each kind, at least")
	flag.DurationVar(&opt.Every, "every", 2*time.Second, "mean time between two faults")
	flag.Uint64Var(&opt.Seed, "seed", 0, "of what is random")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if opt.Dir, err = os.MkdirTemp("", "brig-kubefault-"); err != nil {
		return err
	}
	if opt.Program == "" {
		if opt.Program, err = program.Build(ctx, opt.Dir); err != nil {
			return err
		}
	}
	opt.Cluster, err = cluster.Open(ctx, cluster.Options{Progress: os.Stderr, Build: true})
	if err != nil {
		return err
	}
	defer opt.Cluster.Close() //nolint:errcheck // it is over
	report, err := kubefault.Run(ctx, opt)
	if report != nil {
		if err := report.Write(os.Stdout); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("%d problems; everything is in %s", len(report.Problems), opt.Dir)
	}
	return os.RemoveAll(opt.Dir)
}
