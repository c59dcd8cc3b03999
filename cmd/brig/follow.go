package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui"
)

// lookEvery is how often this machine's store is looked at while a build of
// another process is followed.
const lookEvery = 300 * time.Millisecond

// follow tells watch everything about a build until it has ended, and returns
// it as it is then. A server tells what happens; this machine's store is
// looked at now and then.
func (s *State) follow(ctx context.Context, b *backend, id string, watch brigade.Watcher) (*brigade.Build, error) {
	if b.place != nil {
		return b.place.FollowBuild(ctx, id, watch)
	}
	f := client.NewFollower(stored{b}, id, watch)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		ended, err := f.CatchUp(ctx)
		if err != nil || ended {
			return f.Build(), err
		}
		if shownState(f.Build(), s.Now()) == interrupted {
			return nil, brigade.Errorf(brigade.CodeScriptCrashed, "what ran build %s is gone", id).WithHint("run it again with brig rerun %s", id)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// stored reads builds without what may be large.
type stored struct{ *backend }

// Build finds a build by its ID.
func (s stored) Build(ctx context.Context, id string) (*brigade.Build, error) {
	return lightBuild(ctx, s.Builds, id)
}

// showFollowed shows a build in the view of brig run until it has ended; its
// exit code is this program's.
func (s *State) showFollowed(ctx context.Context, b *backend, id string, f *runFlags) error {
	view := s.view(f)
	defer func() { _ = view.Close() }()
	build, err := s.follow(ctx, b, id, view.Watch)
	if err != nil {
		return s.leaving(ctx, view, id, err)
	}
	jobs, err := b.ListJobs(ctx, build.ID)
	if err != nil {
		return err
	}
	s.exit = tui.ExitCode(build)
	return view.Finish(build, jobs)
}

// leaving says, when somebody stopped looking at a build, that it goes on.
func (s *State) leaving(ctx context.Context, view tui.View, id string, err error) error {
	if brigade.CodeOf(context.Cause(ctx)) != brigade.CodeCanceled {
		return err
	}
	_ = view.Close()
	return brigade.Errorf(brigade.CodeCanceled, "build %s goes on; only its view was closed", id).
		WithHint("look again with %s, or end it with %s", s.command("build watch", id), s.command("build cancel", id))
}

// command is what to type for something else in the same place.
func (s *State) command(what string, argv ...string) string {
	parts := append([]string{"brig", what}, argv...)
	for _, flag := range [][2]string{
		{"--server", s.remote.server}, {"--context", s.remote.context},
		{"--kubeconfig", s.kube.kubeconfig}, {"--kube-context", s.kube.context}, {"--namespace", s.kube.namespace},
	} {
		if flag[1] != "" {
			parts = append(parts, flag[0], flag[1])
		}
	}
	return strings.Join(parts, " ")
}

func newBuildWatch(s *State) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "watch BUILD", Short: "Show a build while it runs, as brig run does",
		Long: `Show a build while it runs, as brig run does: what happened so far, and what
happens until it has ended. The exit code is that of brig run. Ctrl-C ends the
view, not the build.`,
		Example: "  brig build watch 01hxyz\n  brig build watch 01hxyz -o json --server https://ci.example.org",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				build, err := lightBuild(ctx, b.Builds, argv[0])
				if err != nil {
					return err
				}
				return s.showFollowed(ctx, b, build.ID, &f)
			})
		},
	}
	jsonFlag(cmd, &f.output)
	cmd.Flags().BoolVar(&f.noProgress, "no-progress", false, "print plain lines instead of a live view")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	return cmd
}

// lineFilter says which lines of logs are printed.
type lineFilter struct {
	since time.Time
	grep  *regexp.Regexp
}

func (s *State) lineFilter(f *logFlags) (lineFilter, error) {
	var filter lineFilter
	var err error
	if filter.since, err = s.moment("--since", f.since); err != nil {
		return filter, err
	}
	if f.grep != "" {
		if filter.grep, err = regexp.Compile(f.grep); err != nil {
			return filter, brigade.Errorf(brigade.CodeUsage, "--grep %q is not a regular expression", f.grep).WithHint("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	return filter, nil
}

// shows reports whether a line is printed.
func (f lineFilter) shows(l brigade.LogLine) bool {
	return !l.Time.Before(f.since) && (f.grep == nil || f.grep.MatchString(tui.Clean(l.Text, false)))
}

// moment reads a time, or how long ago it was. Empty is the zero time.
func (s *State) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := brigade.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, brigade.Errorf(brigade.CodeUsage, "%s %q is no time", flag, text).
			WithHint("write how long ago, such as 90m or 7d, or a time such as 2026-01-02T15:04:05Z")
	}
	return s.Now().Add(-d), nil
}

// followLogs prints the log of a build's script and those of its jobs as they
// come, each line with whose it is, or only that of one job.
func (s *State) followLogs(ctx context.Context, b *backend, build *brigade.Build, f logFlags, filter lineFilter) error {
	only := ""
	if f.job != "" {
		j, err := jobOf(ctx, b, build, f.job)
		if err != nil {
			return err
		}
		only = j.ID
	}
	from, err := s.tails(ctx, b, build, f.tail)
	if err != nil {
		return err
	}
	names := map[string]string{"": "brigade"}
	var failed error
	_, err = s.follow(ctx, b, build.ID, func(c brigade.Change) {
		if c.Job != nil {
			names[c.Job.ID] = c.Job.Name
		}
		for _, l := range c.Lines {
			if failed != nil || only != "" && l.JobID != only || l.Seq < from[l.JobID] || !filter.shows(l) {
				continue
			}
			prefix := ""
			if only == "" {
				name := names[l.JobID]
				if name == "" {
					name = strings.TrimSuffix(l.JobID, "-"+l.BuildID)
				}
				prefix = tui.Clean(name, false) + " | "
			}
			failed = s.printLine(l, prefix, f.timestamps)
		}
	})
	if brigade.CodeOf(context.Cause(ctx)) == brigade.CodeCanceled {
		s.exit = brigade.ExitCanceled
		return nil
	}
	return errors.Join(err, failed)
}

// tails are the numbers of the lines with which the last n of each log begin.
func (s *State) tails(ctx context.Context, b *backend, build *brigade.Build, n int) (map[string]int64, error) {
	from := map[string]int64{}
	if n <= 0 {
		return from, nil
	}
	jobs, err := b.ListJobs(ctx, build.ID)
	if err != nil {
		return nil, err
	}
	for _, j := range append([]*brigade.Job{{}}, jobs...) {
		lines, err := b.ReadLog(ctx, brigade.LogQuery{BuildID: build.ID, JobID: j.ID, Tail: n, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(lines) > 0 {
			from[j.ID] = lines[0].Seq
		}
	}
	return from, nil
}

func (s *State) printLine(l brigade.LogLine, prefix string, timestamps bool) error {
	_, _, terminal := s.Terminal()
	text := prefix + tui.Clean(l.Text, terminal && !s.noColor && tui.WantsColor(s.Getenv, terminal))
	if timestamps {
		text = l.Time.Local().Format("15:04:05.000 ") + text
	}
	_, err := fmt.Fprintln(s.Stdout, text)
	return err
}
