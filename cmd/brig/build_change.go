package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

func newBuildCancel(s *State) *cobra.Command {
	var job, reason, output string
	cmd := &cobra.Command{
		Use: "cancel BUILD...", Short: "End builds, or one job of a build",
		Long: `Ask for the end of builds. Their scripts are told and may clean up, so it may
take a while; look with brig build watch. With --job only that job ends, and its
build goes on.`,
		Example: "  brig build cancel 01hxyz --reason superseded\n  brig build cancel 01hxyz --job test --server https://ci.example.org",
		Args:    args(cobra.MinimumNArgs(1)), ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			if job != "" && len(argv) > 1 {
				return brigade.Errorf(brigade.CodeUsage, "--job is of one build").WithHint("name one build")
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				if job != "" {
					return s.cancelJob(ctx, b, argv[0], job, reason, output)
				}
				var canceled []*brigade.Build
				for _, id := range argv {
					build, err := s.cancelBuild(ctx, b, id, reason)
					if err != nil {
						return err
					}
					canceled = append(canceled, build)
				}
				return s.saidOfBuilds(output, canceled, func(b *brigade.Build) string {
					if b.State.Ended() {
						return "Canceled"
					}
					return "Canceling"
				})
			})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&job, "job", "", "`name` of the one job to end")
	s.jobFlagCompletion(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who look at the build")
	return cmd
}

// saidOfBuilds says what was done to builds.
func (s *State) saidOfBuilds(output string, builds []*brigade.Build, word func(*brigade.Build) string) error {
	if output != "" && output != "table" {
		return printList(s, &listFlags{output: output}, buildColumns, builds)
	}
	for _, b := range builds {
		if _, err := fmt.Fprintf(s.Stdout, "%s %s\n", word(b), b.ID); err != nil {
			return err
		}
	}
	return nil
}

// cancelBuild asks for a build's end. In this machine's store the process that
// runs it finds the request.
func (s *State) cancelBuild(ctx context.Context, b *backend, id, reason string) (*brigade.Build, error) {
	build, err := lightBuild(ctx, b.Builds, id)
	if err != nil {
		return nil, err
	}
	if b.place != nil {
		return b.place.Cancel(ctx, build.ID, reason)
	}
	return b.UpdateBuild(ctx, build.ID, func(v *brigade.Build) error {
		if v.State.Ended() {
			return brigade.Errorf(brigade.CodeConflict, "build %s has ended already: %s", v.ID, v.State)
		}
		now := s.Now()
		v.Cancel = &brigade.CancelRequest{Time: now.UTC(), Actor: "brig", Reason: reason}
		if v.Lease.Owner == "" || shownState(v, now) == interrupted { // nobody is there to do it
			v.State, v.Ended, v.ExitCode = brigade.StateCanceled, now, brigade.ExitCanceled
			v.Failure = brigade.Errorf(brigade.CodeCanceled, "the build was canceled")
			v.History = append(v.History, brigade.Step{State: v.State, Time: now})
		}
		return nil
	})
}

func (s *State) cancelJob(ctx context.Context, b *backend, id, name, reason, output string) error {
	if b.place == nil {
		return serverOnly("one job is canceled", "cancel the whole build")
	}
	c, err := b.api()
	if err != nil {
		return err
	}
	build, err := lightBuild(ctx, b.Builds, id)
	if err != nil {
		return err
	}
	j, err := jobOf(ctx, b, build, name)
	if err != nil {
		return err
	}
	if j, err = c.CancelJob(ctx, j.ID, reason); err != nil {
		return err
	}
	if done, err := s.printObject(output, j, j.ID); done {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "Canceling %s\n", tui.Clean(j.ID, false))
	return err
}

func newBuildPin(s *State) *cobra.Command {
	return s.pinCommand(true, "pin BUILD...", "Keep builds from being removed by age or number", "Pinned", "  brig build pin 01hxyz")
}

func newBuildUnpin(s *State) *cobra.Command {
	return s.pinCommand(false, "unpin BUILD...", "Let builds be removed by age or number again", "Unpinned", "  brig build unpin 01hxyz")
}

func (s *State) pinCommand(pinned bool, use, short, word, example string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: args(cobra.MinimumNArgs(1)), ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				var changed []*brigade.Build
				for _, id := range argv {
					build, err := pin(ctx, b, id, pinned)
					if err != nil {
						return err
					}
					changed = append(changed, build)
				}
				return s.saidOfBuilds(output, changed, func(*brigade.Build) string { return word })
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func pin(ctx context.Context, b *backend, id string, pinned bool) (*brigade.Build, error) {
	build, err := lightBuild(ctx, b.Builds, id)
	if err != nil {
		return nil, err
	}
	if b.place != nil {
		return b.place.Pin(ctx, build.ID, pinned)
	}
	return b.UpdateBuild(ctx, build.ID, func(v *brigade.Build) error {
		v.Pinned = pinned
		return nil
	})
}
