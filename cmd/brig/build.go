package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/tui"
)

func newBuild(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "build", Short: "Look at builds, end them, run them again", GroupID: "work",
		Example: "  brig build list\n  brig build get 01hxyz\n  brig build logs 01hxyz -j test\n  brig build logs 01hxyz -f\n  brig build rerun 01hxyz --failed\n  brig build cancel 01hxyz",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBuildList(s), newBuildGet(s), newBuildLogs(s), newBuildWatch(s), newBuildCancel(s), newBuildRerun(s),
		newBuildPin(s), newBuildUnpin(s), newBuildDelete(s))
	return cmd
}

func newBuildList(s *State) *cobra.Command {
	var output, state string
	var limit int
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Aliases: []string{"ls"}, Short: "List builds, newest first",
		Example: "  brig build list\n  brig build list acme/app -c 5\n  brig build list --state failed -o json",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			filter := brigade.BuildFilter{Limit: limit}
			if len(argv) == 1 {
				filter.ProjectID = brigade.ProjectID(argv[0])
			}
			if state != "" {
				filter.States = []brigade.State{brigade.State(strings.ToLower(state))}
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				builds, err := b.ListBuilds(ctx, filter)
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(s.Stdout, append([]*brigade.Build{}, builds...))
				}
				return s.buildTable(builds)
			})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().IntVarP(&limit, "count", "c", 20, "how many builds at the most")
	cmd.Flags().StringVar(&state, "state", "", "only builds in this state: pending, running, succeeded, failed, canceled")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "running", "succeeded", "failed", "canceled"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (s *State) buildTable(builds []*brigade.Build) error {
	table := tui.NewTable("ID", "TYPE", "PROVIDER", "PROJECT", "STATUS", "AGE")
	for _, b := range builds {
		table.Add(b.ID, b.Event.Type, b.Event.Provider, b.Project, shownState(b, s.Now()), tui.Age(b.Created, s.Now()))
	}
	return table.Write(s.Stdout)
}

// shownState is a build's state, or "interrupted" when who ran it is gone.
func shownState(b *brigade.Build, now time.Time) string {
	expired := !b.Lease.Expires.IsZero() && now.After(b.Lease.Expires)
	if b.State == brigade.StateRunning && (expired || app.OwnerDied(b.Lease.Owner)) {
		return "interrupted"
	}
	return string(b.State)
}

func newBuildGet(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "get BUILD", Short: "Show a build and its jobs",
		Example: "  brig build get 01hxyz\n  brig build get 01hxyz -o json", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				build, err := b.Build(ctx, argv[0])
				if err != nil {
					return err
				}
				jobs, err := b.ListJobs(ctx, build.ID)
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(s.Stdout, struct {
						*brigade.Build
						Jobs []*brigade.Job `json:"jobs"`
					}{build, append([]*brigade.Job{}, jobs...)})
				}
				return s.showBuild(build, jobs)
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func (s *State) showBuild(b *brigade.Build, jobs []*brigade.Job) error {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(s.Stdout, "%-10s %s\n", name+":", tui.Clean(value, false))
		}
	}
	row("Build", b.ID)
	row("Project", b.Project)
	row("Event", b.Event.Type+" ("+b.Event.Provider+")")
	row("Revision", strings.TrimSpace(b.Event.Revision.Commit+" "+b.Event.Revision.Ref))
	row("State", shownState(b, s.Now()))
	if b.Failure != nil {
		row("Failure", b.Failure.Message)
		row("Hint", b.Failure.Hint)
	}
	row("Waits for", b.Waiting)
	if b.Cancel != nil && !b.State.Ended() {
		row("Canceling", strings.TrimSpace(b.Cancel.Reason+" (asked by "+b.Cancel.Actor+")"))
	}
	if b.Pinned {
		row("Pinned", "yes")
	}
	row("Created", b.Created.Local().Format(time.RFC3339)+" ("+tui.Age(b.Created, s.Now())+" ago)")
	if !b.Ended.IsZero() {
		row("Duration", tui.Duration(b.Ended.Sub(b.Started)))
	}
	row("Runner", b.Runner)
	row("Rerun of", b.RerunOf)
	if len(jobs) == 0 {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	return s.jobTable(b, jobs)
}

func (s *State) jobTable(b *brigade.Build, jobs []*brigade.Job) error {
	table := tui.NewTable("JOB", "IMAGE", "STATE", "EXIT", "DURATION")
	for _, j := range jobs {
		exit, took := "", ""
		if j.State.Ended() && !j.Started.IsZero() {
			exit, took = fmt.Sprint(j.ExitCode), tui.Duration(j.Ended.Sub(j.Started))
		}
		state := string(j.State)
		if shown := shownState(b, s.Now()); shown == "interrupted" && !j.State.Ended() {
			state = shown
		}
		table.Add(j.Name, j.Spec.Image, state, exit, took)
	}
	return table.Write(s.Stdout)
}

func jobNotFound(b *brigade.Build, name string, jobs []*brigade.Job) error {
	e := brigade.Errorf(brigade.CodeNotFound, "build %s has no job %q", b.ID, name)
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.Name
	}
	if len(names) == 0 {
		return e.WithHint("it ran no jobs")
	}
	return e.WithHint("it has %s", strings.Join(names, ", "))
}

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

func (s *State) deleteBuild(ctx context.Context, from *backend, id string, force bool) error {
	b, err := lightBuild(ctx, from.Builds, id)
	if err != nil {
		return err
	}
	if !b.State.Ended() && shownState(b, s.Now()) != "interrupted" && !force {
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
	if _, err := from.server.Cancel(ctx, id, "it is to be deleted"); err != nil && brigade.CodeOf(err) != brigade.CodeConflict {
		return err
	}
	_, err := s.follow(ctx, from, id, func(brigade.Change) {})
	return err
}

// completeBuilds completes the IDs of the newest builds.
func (s *State) completeBuilds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	s.completing(func(ctx context.Context, b *backend) error {
		builds, err := b.ListBuilds(ctx, brigade.BuildFilter{Limit: 50})
		for _, b := range builds {
			ids = append(ids, b.ID+"\t"+b.Event.Type+" "+b.Project+" "+string(b.State))
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
