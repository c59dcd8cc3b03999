package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

func newBuild(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "build", Short: "Look at builds that ran", GroupID: "work",
		Example: "  brig build list\n  brig build get 01hxyz\n  brig build logs 01hxyz -j test\n  brig build delete 01hxyz",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBuildList(s), newBuildGet(s), newBuildLogs(s), newBuildDelete(s))
	return cmd
}

// withStore opens the store for one command.
func (s *State) withStore(do func(ctx context.Context, store brigade.Store) error) error {
	store, err := s.store()
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	return do(s.Context, store)
}

func newBuildList(s *State) *cobra.Command {
	var output, state string
	var limit int
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Aliases: []string{"ls"}, Short: "List builds, newest first",
		Example: "  brig build list\n  brig build list acme/app -c 5\n  brig build list --state failed -o json",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, argv []string) error {
			filter := brigade.BuildFilter{Limit: limit}
			if len(argv) == 1 {
				filter.ProjectID = brigade.ProjectID(argv[0])
			}
			if state != "" {
				filter.States = []brigade.State{brigade.State(strings.ToLower(state))}
			}
			return s.withStore(func(ctx context.Context, store brigade.Store) error {
				builds, err := store.ListBuilds(ctx, filter)
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
	if b.State == brigade.StateRunning && !b.Lease.Expires.IsZero() && now.After(b.Lease.Expires) {
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
			return s.withStore(func(ctx context.Context, store brigade.Store) error {
				b, err := store.Build(ctx, argv[0])
				if err != nil {
					return err
				}
				jobs, err := store.ListJobs(ctx, b.ID)
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(s.Stdout, struct {
						*brigade.Build
						Jobs []*brigade.Job `json:"jobs"`
					}{b, append([]*brigade.Job{}, jobs...)})
				}
				return s.showBuild(b, jobs)
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
	return s.jobTable(jobs)
}

func (s *State) jobTable(jobs []*brigade.Job) error {
	table := tui.NewTable("JOB", "IMAGE", "STATE", "EXIT", "DURATION")
	for _, j := range jobs {
		exit, took := "", ""
		if j.State.Ended() && !j.Started.IsZero() {
			exit, took = fmt.Sprint(j.ExitCode), tui.Duration(j.Ended.Sub(j.Started))
		}
		table.Add(j.Name, j.Spec.Image, string(j.State), exit, took)
	}
	return table.Write(s.Stdout)
}

type logFlags struct {
	job        string
	jobs       bool
	timestamps bool
	tail       int
}

func newBuildLogs(s *State) *cobra.Command {
	var f logFlags
	var last bool
	cmd := &cobra.Command{
		Use: "logs [BUILD]", Short: "Print what a build logged",
		Long: "Print the log of a build's script, and with -j what its jobs printed.",
		Example: `  brig build logs 01hxyz            what the script logged
  brig build logs 01hxyz -j         and what every job printed
  brig build logs 01hxyz -j test    what the job "test" printed
  brig build logs --last -j         of the newest build`,
		Args: args(cobra.MaximumNArgs(2)), ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withStore(func(ctx context.Context, store brigade.Store) error {
				b, err := wantedBuild(ctx, store, &argv, last)
				if err != nil {
					return err
				}
				if len(argv) == 1 { // the value of -j as a word of its own, as v1's scripts never write it
					if !f.jobs || f.job != "" {
						return brigade.Errorf(brigade.CodeUsage, "what is %q?", argv[0]).WithHint("name a job with -j %s", argv[0])
					}
					f.job = argv[0]
				}
				return s.printLogs(ctx, store, b, f)
			})
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.jobs, "jobs", "j", false, "print the jobs' logs too, or that of the job named behind it")
	fl.BoolVarP(&last, "last", "l", false, "the newest build")
	fl.BoolVarP(&f.timestamps, "timestamps", "t", false, "print when each line was written")
	fl.IntVar(&f.tail, "tail", 0, "only the last `N` lines of each log")
	return cmd
}

// wantedBuild takes the build's ID from the arguments, or the newest build.
func wantedBuild(ctx context.Context, store brigade.Store, argv *[]string, last bool) (*brigade.Build, error) {
	if !last {
		if len(*argv) == 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "which build?").WithHint("name one, or use --last for the newest")
		}
		id := (*argv)[0]
		*argv = (*argv)[1:]
		return store.Build(ctx, id)
	}
	builds, err := store.ListBuilds(ctx, brigade.BuildFilter{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, brigade.Errorf(brigade.CodeNotFound, "there are no builds yet").WithHint("start one with brig run")
	}
	return builds[0], nil
}

func (s *State) printLogs(ctx context.Context, store brigade.Store, b *brigade.Build, f logFlags) error {
	jobs, err := store.ListJobs(ctx, b.ID)
	if err != nil {
		return err
	}
	if f.job != "" {
		found := false
		for _, j := range jobs {
			if j.Name == f.job || j.ID == f.job {
				found = true
				if err := s.printLog(ctx, store, brigade.LogQuery{BuildID: b.ID, JobID: j.ID, Tail: f.tail}, f.timestamps); err != nil {
					return err
				}
			}
		}
		if !found {
			return jobNotFound(b, f.job, jobs)
		}
		return nil
	}
	if err := s.printLog(ctx, store, brigade.LogQuery{BuildID: b.ID, Tail: f.tail}, f.timestamps); err != nil || !f.jobs {
		return err
	}
	for _, j := range jobs {
		fmt.Fprintf(s.Stdout, "==========[  %s  ]==========\n", j.ID)
		if err := s.printLog(ctx, store, brigade.LogQuery{BuildID: b.ID, JobID: j.ID, Tail: f.tail}, f.timestamps); err != nil {
			return err
		}
	}
	return nil
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

// printLog prints one log in pages, so that a large one needs little memory.
func (s *State) printLog(ctx context.Context, store brigade.Logs, q brigade.LogQuery, timestamps bool) error {
	if q.Tail == 0 {
		q.Limit = 2000
	}
	_, _, terminal := s.Terminal()
	color := terminal && !s.noColor && tui.WantsColor(s.Getenv, terminal)
	for {
		lines, err := store.ReadLog(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range lines {
			text := tui.Clean(l.Text, color)
			if timestamps {
				text = l.Time.Local().Format("15:04:05.000 ") + text
			}
			if _, err := io.WriteString(s.Stdout, text+"\n"); err != nil {
				return err
			}
		}
		if q.Tail > 0 || len(lines) < q.Limit {
			return nil
		}
		q.After = lines[len(lines)-1].Seq
	}
}

func newBuildDelete(s *State) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete BUILD...", Short: "Delete builds with their jobs and logs",
		Example: "  brig build delete 01hxyz\n  brig build delete 01hxyz --force", Args: args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withStore(func(ctx context.Context, store brigade.Store) error {
				for _, id := range argv {
					if err := s.deleteBuild(ctx, store, id, force); err != nil {
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

func (s *State) deleteBuild(ctx context.Context, store brigade.Store, id string, force bool) error {
	b, err := store.Build(ctx, id)
	if err != nil {
		return err
	}
	if !b.State.Ended() && shownState(b, s.Now()) != "interrupted" && !force {
		return brigade.Errorf(brigade.CodeConflict, "build %s is %s", b.ID, b.State).WithHint("wait for its end, or use --force")
	}
	if err := store.DeleteBuild(ctx, b.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "Deleted %s\n", b.ID)
	return err
}

// completeBuilds completes the IDs of the newest builds.
func (s *State) completeBuilds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	_ = s.withStore(func(ctx context.Context, store brigade.Store) error {
		builds, err := store.ListBuilds(ctx, brigade.BuildFilter{Limit: 50})
		for _, b := range builds {
			ids = append(ids, b.ID+"\t"+b.Event.Type+" "+b.Project+" "+string(b.State))
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
