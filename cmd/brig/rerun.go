package main

import (
	"context"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

func newRerun(s *State) *cobra.Command {
	cmd := rerunCommand(s, "brig rerun")
	cmd.GroupID = "work"
	return cmd
}

// newBuildRerun is the same among the commands about builds.
func newBuildRerun(s *State) *cobra.Command { return rerunCommand(s, "brig build rerun") }

func rerunCommand(s *State, path string) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "rerun BUILD",
		Short: "Run a build again, or only what failed of it",
		Long: `Run a build again: the same event, with the files as they are now. Flags that
are given override what the build had. On this machine secrets are not kept:
give them again. With --server the server runs it.

With --failed the script runs again from its beginning, but a job that
succeeded then and has not changed is not run: its result is taken over.

` + exitCodeLine,
		Example: "  " + path + " 01hxyz                     the start of the ID is enough\n" +
			"  " + path + " 01hxyz --failed            only what failed\n" +
			"  " + path + " 01hxyz -p other.json       with another payload\n" +
			"  " + path + " 01hxyz -f brigade.ts       with another script",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: s.completeBuilds,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if elsewhere, err := s.elsewhere(); err != nil || elsewhere {
				if err != nil {
					return err
				}
				return s.rerunOnServer(cmd, &f, argv[0])
			}
			store, err := s.store()
			if err != nil {
				return err
			}
			build, err := store.Build(context.Background(), argv[0])
			_ = store.Close()
			if err != nil {
				return err
			}
			if f.failed && !build.State.Ended() {
				return brigade.Errorf(brigade.CodeConflict, "build %s has not ended: it is not known what failed", build.ID)
			}
			return s.run(cmd, &f, build.Project, build)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&f.failed, "failed", false, "do not run jobs again that succeeded")
	return cmd
}

// rerunOnServer finds the build by the start of its ID, which limited tokens
// cannot have the server do, and has the server run it again.
func (s *State) rerunOnServer(cmd *cobra.Command, f *runFlags, id string) error {
	err := s.withBackend(func(ctx context.Context, b *backend) error {
		build, err := lightBuild(ctx, b.Builds, id)
		if err == nil {
			id = build.ID
		}
		if brigade.CodeOf(err) == brigade.CodeDenied {
			err = nil // who may only create events may name a whole ID
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.runOnServer(cmd, f, "", id)
}
