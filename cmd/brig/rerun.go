package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newRerun(s *State) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "rerun BUILD", GroupID: "work",
		Short: "Run a build again",
		Long: `Run a build again: the same event, with the files as they are now. Flags that
are given override what the build had. Secrets are not kept: give them again.

` + exitCodeLine,
		Example: `  brig rerun 01hxyz                     the start of the ID is enough
  brig rerun 01hxyz -p other.json       with another payload
  brig rerun 01hxyz -f brigade.ts       with another script`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: s.completeBuilds,
		RunE: func(cmd *cobra.Command, argv []string) error {
			store, err := s.store()
			if err != nil {
				return err
			}
			build, err := store.Build(context.Background(), argv[0])
			_ = store.Close()
			if err != nil {
				return err
			}
			return s.run(cmd, &f, build.Project, build)
		},
	}
	f.register(cmd)
	return cmd
}
