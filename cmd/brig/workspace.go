package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/workspace"
)

// newWorkspace is what runs beside a job in its pod. People do not call it.
func newWorkspace(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "workspace", Hidden: true, Args: unknownCommand,
		Short: "Bring files to a job's pod and back",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWorkspaceFetch(s), newWorkspaceSidecar(s))
	return cmd
}

func (s *State) workspaceClient() (*workspace.Client, error) {
	return workspace.NewClient(workspace.ClientOptions{
		URL: s.Getenv(workspace.URLEnv), Token: s.Getenv(workspace.TokenEnv), CA: s.Getenv(workspace.CAEnv),
		Notice: func(text string) { _, _ = fmt.Fprintln(s.Stderr, text) },
	})
}

func newWorkspaceFetch(s *State) *cobra.Command {
	var f workspace.Fetched
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "fetch", Args: args(cobra.NoArgs), Short: "Fetch what a job needs, before it begins",
		RunE: func(*cobra.Command, []string) error {
			c, err := s.workspaceClient()
			if err != nil {
				return err
			}
			ctx, stop := s.untilInterrupted()
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			return c.Fetch(ctx, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Source, "source", "", "the `directory` for the build's files")
	flags.StringVar(&f.Share, "share", "", "the `directory` for the build's storage")
	flags.StringVar(&f.Cache, "cache", "", "the `directory` for the job's cache")
	flags.StringVar(&f.State, "state", "", "the `directory` in which to note what was fetched")
	flags.DurationVar(&wait, "wait", 10*time.Minute, "how long to wait for the server")
	return cmd
}

func newWorkspaceSidecar(s *State) *cobra.Command {
	var from workspace.Saved
	var grace int
	cmd := &cobra.Command{
		Use: "sidecar", Args: args(cobra.NoArgs), Short: "Wait for the job to end and save what it left",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.workspaceClient()
			if err != nil {
				return err
			}
			select { // the first signal says that the job is over, the second that time is up
			case <-s.Interrupts:
			case <-cmd.Context().Done():
				return context.Cause(cmd.Context())
			}
			ctx, stop := s.untilInterrupted()
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, time.Duration(grace)*time.Second-sidecarReserve)
			defer cancel()
			from.Job = s.Getenv(workspace.JobEnv)
			return c.Save(ctx, from)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from.Share, "share", "", "the `directory` of the build's storage")
	flags.StringVar(&from.Cache, "cache", "", "the `directory` of the job's cache")
	flags.StringVar(&from.Artifacts, "artifacts", "", "the `directory` in which the job's artifacts are")
	flags.StringVar(&from.Outputs, "outputs", "", "the `directory` with the file for outputs")
	flags.StringVar(&from.State, "state", "", "the `directory` in which fetch noted what there was")
	flags.IntVar(&grace, "grace", int(workspace.DefaultGrace/time.Second), "`seconds` until the pod is killed")
	return cmd
}

// sidecarReserve is how long before the pod is killed the sidecar gives up, so
// that it can still say so.
const sidecarReserve = 2 * time.Second
