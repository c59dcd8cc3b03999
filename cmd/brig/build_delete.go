package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

func newBuildDelete(s *State) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete BUILD...", Short: "Delete builds with their jobs and logs",
		Example: "  brig build delete 01hxyz\n  brig build delete 01hxyz --force", Args: args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				for _, id := range argv {
					if err := s.deleteBuild(ctx, b, id, force); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete builds that run, too")
	return cmd
}

func newBuildDeleteAll(s *State) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete-all [PROJECT]", Short: "Delete all builds, or all of a project",
		Long: `Delete all builds with their jobs and logs, or all of a project. Those that run
stay, unless --force ends them. In a terminal it asks first; --force does not.`,
		Example: "  brig build delete-all acme/app\n  brig build delete-all --force", Args: args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				filter := brigade.BuildFilter{Limit: 1000}
				what := "all builds"
				if len(argv) == 1 {
					p, err := findProject(ctx, b.Projects, argv[0])
					if err != nil {
						return err
					}
					filter.ProjectID, what = p.ID, "all builds of "+p.Name
				}
				if s.InputTerminal() && !force {
					sure, err := newQuestions(s).yes("Delete "+what+" ("+b.at.where()+")?", false)
					if err != nil || !sure {
						return err
					}
				}
				return s.deleteAll(ctx, b, filter, force)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete builds that run, too, and do not ask")
	return cmd
}

// deleteAll deletes the builds that filter selects, a page at a time.
func (s *State) deleteAll(ctx context.Context, b *backend, filter brigade.BuildFilter, force bool) error {
	left := 0
	for {
		page, err := b.ListBuilds(ctx, filter)
		if err != nil {
			return err
		}
		for _, build := range page {
			if !force && s.runs(build) {
				left++
				continue
			}
			err := s.deleteBuild(ctx, b, build.ID, force)
			if err != nil && brigade.CodeOf(err) != brigade.CodeNotFound { // somebody else was faster
				return err
			}
		}
		if len(page) < filter.Limit {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	if left > 0 {
		fmt.Fprintf(s.Stderr, "%d builds that wait or run are still there; --force deletes them, too\n", left)
	}
	return nil
}

// runs reports whether somebody runs the build, or will.
func (s *State) runs(b *brigade.Build) bool {
	return !b.State.Ended() && shownState(b, s.Now()) != interrupted
}

func (s *State) deleteBuild(ctx context.Context, from *backend, id string, force bool) error {
	b, err := lightBuild(ctx, from.Builds, id)
	if err != nil {
		return err
	}
	if s.runs(b) && !force {
		return brigade.Errorf(brigade.CodeConflict, "build %s is %s", b.ID, b.State).WithHint("wait for its end, or use --force")
	}
	if from.server != nil && !b.State.Ended() {
		if err := s.endBuild(ctx, from, b.ID); err != nil {
			return err
		}
	}
	if err := from.DeleteBuild(ctx, b.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "Deleted %s\n", b.ID)
	return err
}

// endBuild cancels a build of a server and waits until it has ended.
func (s *State) endBuild(ctx context.Context, from *backend, id string) error {
	if _, err := from.place.Cancel(ctx, id, "it is to be deleted"); err != nil && brigade.CodeOf(err) != brigade.CodeConflict {
		return err
	}
	_, err := s.follow(ctx, from, id, func(brigade.Change) {})
	return err
}
