package main

import (
	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/script/wire"
)

// newWorker is what runs a script in a process of its own. People do not call it.
func newWorker(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "worker", Hidden: true, Args: args(cobra.NoArgs),
		Short: "Run one script, as told on standard input",
		RunE: func(cmd *cobra.Command, _ []string) error {
			worker := script.New(script.Options{Now: s.Now, Stuck: wire.Stuck})
			return wire.Serve(cmd.Context(), s.Stdin, s.Stdout, worker)
		},
	}
}
