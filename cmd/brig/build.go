package main

import (
	"context"
	"fmt"
	"slices"
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
		newBuildPin(s), newBuildUnpin(s), newBuildDelete(s), newBuildDeleteAll(s))
	return cmd
}

// buildStates are what --state takes.
var buildStates = []string{"pending", "running", "succeeded", "failed", "canceled", interrupted}

// interrupted is the state, for people, of a build that nobody runs any more.
const interrupted = "interrupted"

func newBuildList(s *State) *cobra.Command {
	var f listFlags
	var states []string
	var limit int
	var since, search, event string
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Aliases: []string{"ls"}, Short: "List builds, newest first",
		Example: `  brig build list
  brig build list acme/app -c 5
  brig build list --state failed --since 7d -o json
  brig build list --columns ID,STATUS,REF,TITLE --time absolute
  brig build list --watch
  brig build list --state failed -o name | xargs brig build delete`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(cmd *cobra.Command, argv []string) error {
			filter := brigade.BuildFilter{Text: search, Type: event}
			if len(argv) == 1 {
				filter.ProjectID = brigade.ProjectID(argv[0])
			}
			if limit < 0 {
				return brigade.Errorf(brigade.CodeUsage, "--count cannot be %d", limit).WithHint("0 lists all builds")
			}
			var err error
			if filter.Since, err = s.moment("--since", since); err != nil {
				return err
			}
			only, err := statesOf(states)
			if err != nil {
				return err
			}
			_, _, terminal := s.Terminal()
			if !cmd.Flags().Changed("count") && (terminal || f.watch) {
				limit = screenful
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				if len(argv) == 1 {
					if err := knownProject(ctx, b, argv[0]); err != nil {
						return err
					}
				}
				return showList(ctx, s, b, &f, buildColumns, func(ctx context.Context) ([]*brigade.Build, error) {
					return s.newestBuilds(ctx, b, filter, only, limit)
				})
			})
		},
	}
	addListFlags(cmd, s, &f, buildColumns)
	watchFlag(cmd, &f)
	fl := cmd.Flags()
	fl.IntVarP(&limit, "count", "c", 0, "how many builds at the most; 0 is all (default 20 in a terminal, else all)")
	fl.StringSliceVar(&states, "state", nil, "only builds in these `states`: "+strings.Join(buildStates, ", "))
	fl.StringVar(&since, "since", "", "only builds that are not older: `90m`, 7d, or a time")
	fl.StringVar(&event, "event", "", "only builds of events of that `type`")
	fl.StringVar(&search, "search", "", "only builds with this `text` in ID, project, event, titles, ref or commit")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(buildStates, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func statesOf(names []string) ([]brigade.State, error) {
	var list []brigade.State
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(buildStates, name) {
			return nil, brigade.Errorf(brigade.CodeUsage, "there is no state %q", name).WithHint("use one of %s", strings.Join(buildStates, ", "))
		}
		list = append(list, brigade.State(name))
	}
	return list, nil
}

// buildColumns are v1's columns, and what else there is to know.
var buildColumns = columns[*brigade.Build]{
	name:   func(b *brigade.Build) string { return b.ID },
	object: func(b *brigade.Build) any { return withV1(b) },
	all: []column[*brigade.Build]{
		{head: "ID", of: func(_ printing, b *brigade.Build) string { return b.ID }},
		{head: "TYPE", of: func(_ printing, b *brigade.Build) string { return b.Event.Type }},
		{head: "PROVIDER", of: func(_ printing, b *brigade.Build) string { return b.Event.Provider }},
		{head: "PROJECT", of: func(_ printing, b *brigade.Build) string { return b.Project }},
		{head: "STATUS", of: func(_ printing, b *brigade.Build) string { return v1Word(b.State) }},
		{head: "AGE", of: func(p printing, b *brigade.Build) string { return p.ago(b.Created) }},
		{head: ">DURATION", more: true, of: func(p printing, b *brigade.Build) string { return p.took(b.Started, b.Ended) }},
		{head: "STARTED", more: true, of: func(p printing, b *brigade.Build) string { return p.ago(b.Started) }},
		{head: "ENDED", more: true, of: func(p printing, b *brigade.Build) string { return p.ago(b.Ended) }},
		{head: "REF", more: true, of: func(_ printing, b *brigade.Build) string { return b.Event.Revision.Ref }},
		{head: "COMMIT", more: true, of: func(_ printing, b *brigade.Build) string { return b.Event.Revision.Commit }},
		{head: "TITLE", more: true, of: func(_ printing, b *brigade.Build) string { return b.Event.ShortTitle }},
		{head: "ACTOR", more: true, of: func(_ printing, b *brigade.Build) string { return b.Event.Actor }},
		{head: ">EXIT", more: true, of: func(_ printing, b *brigade.Build) string { return endedOnly(b.State, b.ExitCode) }},
		{head: "FAILURE", more: true, of: func(_ printing, b *brigade.Build) string { return failureOf(b.Failure) }},
		{head: "WAITS FOR", more: true, of: func(_ printing, b *brigade.Build) string { return b.Waiting }},
		{head: "RUNNER", more: true, of: func(_ printing, b *brigade.Build) string { return b.Runner }},
		{head: ">ATTEMPT", more: true, of: func(_ printing, b *brigade.Build) string { return fmt.Sprint(b.Attempt) }},
		{head: "RERUN OF", more: true, of: func(_ printing, b *brigade.Build) string { return b.RerunOf }},
		{head: "PINNED", more: true, of: func(_ printing, b *brigade.Build) string { return yesNo(b.Pinned) }},
	},
}

// took writes how long something took, or takes so far; "" before it began.
func (p printing) took(started, ended time.Time) string {
	switch {
	case started.IsZero():
		return ""
	case ended.IsZero():
		ended = p.now
	}
	return tui.Duration(ended.Sub(started))
}

func endedOnly(state brigade.State, exit int) string {
	if !state.Ended() {
		return ""
	}
	return fmt.Sprint(exit)
}

func failureOf(err *brigade.Error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Message, "\n")
	return line
}

// asSeen is a copy of the build whose state is what people are shown.
func (s *State) asSeen(b *brigade.Build) *brigade.Build {
	seen := *b
	seen.State = brigade.State(shownState(b, s.Now()))
	return &seen
}

// shownState is a build's state, or "interrupted" when who ran it is gone.
func shownState(b *brigade.Build, now time.Time) string {
	expired := !b.Lease.Expires.IsZero() && now.After(b.Lease.Expires)
	if b.State == brigade.StateRunning && (expired || app.OwnerDied(b.Lease.Owner)) {
		return interrupted
	}
	return string(b.State)
}

func newBuildGet(s *State) *cobra.Command {
	var output, times string
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
				build = s.asSeen(build)
				jobs = jobsAsSeen(build, jobs)
				whole := struct {
					buildAnswer
					Jobs []*brigade.Job `json:"jobs"`
				}{withV1(build), jobs}
				if done, err := s.printObject(output, whole, build.ID); done {
					return err
				}
				return s.showBuild(build, jobs, printing{s.Now(), times})
			})
		},
	}
	outputFlag(cmd, &output)
	timeFlag(cmd, &times)
	return cmd
}

// jobsAsSeen are copies of jobs of a build in the states that people are shown.
func jobsAsSeen(b *brigade.Build, jobs []*brigade.Job) []*brigade.Job {
	list := make([]*brigade.Job, len(jobs))
	for i, j := range jobs {
		seen := *j
		if b.State == interrupted && !j.State.Ended() {
			seen.State = interrupted
		}
		list[i] = &seen
	}
	return list
}

// showBuild prints a build as people are shown it.
func (s *State) showBuild(b *brigade.Build, jobs []*brigade.Job, p printing) error {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(s.Stdout, "%-10s %s\n", name+":", tui.Clean(value, false))
		}
	}
	row("Build", b.ID)
	row("Project", b.Project)
	row("Event", b.Event.Type+" ("+b.Event.Provider+")")
	row("Revision", strings.TrimSpace(b.Event.Revision.Commit+" "+b.Event.Revision.Ref))
	row("State", string(b.State))
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
	if p.times == "" || p.times == "relative" {
		row("Created", b.Created.Local().Format(time.RFC3339)+" ("+tui.Age(b.Created, p.now)+" ago)")
	} else {
		row("Created", p.at(b.Created))
	}
	if !b.Started.IsZero() && !b.Ended.IsZero() {
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

// completeJobs completes a build, and then the names of its jobs.
func (s *State) completeJobs(cmd *cobra.Command, argv []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(argv) == 0 {
		return s.completeBuilds(cmd, argv, word)
	}
	var names []string
	s.completing(func(ctx context.Context, b *backend) error {
		build, err := lightBuild(ctx, b.Builds, argv[0])
		if err != nil {
			return err
		}
		jobs, err := b.ListJobs(ctx, build.ID)
		for _, j := range jobs {
			names = append(names, j.Name+"\t"+string(j.State))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// jobFlagCompletion completes the names of jobs for a flag, once the build is
// there.
func (s *State) jobFlagCompletion(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("job", func(cmd *cobra.Command, argv []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(argv) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.completeJobs(cmd, argv, word)
	})
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
