package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/script/wire"
)

// newWorker is what runs a script in a process of its own, or in a worker pod.
// People do not call it.
func newWorker(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "worker", Hidden: true, Args: args(cobra.NoArgs),
		Short: "Run one script, as told on standard input, or as the worker pod of a build",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if app.IsWorkerPod(s.Getenv) {
				return s.workInPod(cmd.Context())
			}
			worker := script.New(script.Options{Now: s.Now, Stuck: wire.Stuck})
			return wire.Serve(cmd.Context(), s.Stdin, s.Stdout, worker)
		},
	}
}

// terminationLog is where Kubernetes looks for a container's last words.
const terminationLog = "/dev/termination-log"

// workInPod runs the script of the build whose worker pod this is.
func (s *State) workInPod(ctx context.Context) error {
	pod, err := os.Hostname()
	if own := s.ownPod(); own != "" {
		pod = own
	} else if err != nil {
		return fmt.Errorf("find the name of this pod: %w", err)
	}
	var printed atomic.Int64
	s.exit, err = app.RunInside(ctx, app.InsideOptions{
		Getenv: s.Getenv, Environ: s.Environ(), Pod: pod, Temp: os.TempDir(), Message: terminationLog, Version: versionInfo().Version,
		Kubeconfig: s.Getenv("KUBECONFIG"), Stdout: app.CountLines(s.Stdout, &printed), Printed: printed.Load,
		Grace: workerGrace, Stop: s.Interrupts, Stuck: wire.Stuck, Now: s.Now,
		Log: slog.New(slog.NewTextHandler(app.CountLines(s.Stderr, &printed), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return err
}

// workerGrace is how long a job has to end after it was told to.
const workerGrace = 10 * time.Second
