package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

type logFlags struct {
	job, since, grep         string
	jobs, timestamps, follow bool
	last, init               bool
	tail                     int
}

func newBuildLogs(s *State) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [BUILD]", Short: "Print what a build logged",
		Long: `Print the log of a build's script, and with -j what its jobs printed.

With -f all logs are printed as their lines come, each with the name of its job,
until the build has ended; with -j NAME only that job's.`,
		Example: `  brig build logs 01hxyz            what the script logged
  brig build logs 01hxyz -j         and what every job printed
  brig build logs 01hxyz -j test    what the job "test" printed
  brig build logs --last -f         everything of the newest build, as it comes
  brig build logs 01hxyz -f --grep 'error|warn' --since 10m`,
		Args: args(cobra.MaximumNArgs(2)), ValidArgsFunction: s.completeJobs,
		RunE: func(_ *cobra.Command, argv []string) error {
			filter, err := s.lineFilter(&f)
			if err != nil {
				return err
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				build, err := wantedBuild(ctx, b, &argv, f.last)
				if err != nil {
					return err
				}
				if len(argv) == 1 { // the value of -j as a word of its own, as v1's scripts never write it
					if !f.jobs || f.job != "" {
						return brigade.Errorf(brigade.CodeUsage, "what is %q?", argv[0]).WithHint("name a job with -j %s", argv[0])
					}
					f.job = argv[0]
				}
				if f.init {
					return s.printInitLogs(ctx, b, build, f, filter)
				}
				if f.follow {
					return s.followLogs(ctx, b, build, f, filter)
				}
				return s.printLogs(ctx, b, build, f, filter)
			})
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.jobs, "jobs", "j", false, "print the jobs' logs too, or that of the job named behind it")
	fl.BoolVarP(&f.init, "init", "i", false, "in a cluster: what the init container printed that fetched the files; with -j that of jobs")
	fl.BoolVarP(&f.last, "last", "l", false, "the newest build")
	fl.BoolVarP(&f.follow, "follow", "f", false, "print lines as they come, until the build has ended")
	fl.BoolVarP(&f.timestamps, "timestamps", "t", false, "print when each line was written")
	fl.IntVar(&f.tail, "tail", 0, "only the last `N` lines of each log")
	fl.StringVar(&f.since, "since", "", "only lines that are not older: `90m`, 7d, or a time")
	fl.StringVar(&f.grep, "grep", "", "only lines that match the regular `expression`")
	return cmd
}

// wantedBuild takes the build's ID from the arguments, or the newest build.
func wantedBuild(ctx context.Context, b *backend, argv *[]string, last bool) (*brigade.Build, error) {
	if !last {
		if len(*argv) == 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "which build?").WithHint("name one, or use --last for the newest")
		}
		id := (*argv)[0]
		*argv = (*argv)[1:]
		return lightBuild(ctx, b.Builds, id)
	}
	builds, err := b.ListBuilds(ctx, brigade.BuildFilter{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, brigade.Errorf(brigade.CodeNotFound, "there are no builds yet").WithHint("start one with brig run")
	}
	return builds[0], nil
}

func (s *State) printLogs(ctx context.Context, b *backend, build *brigade.Build, f logFlags, filter lineFilter) error {
	if f.job != "" {
		j, err := jobOf(ctx, b, build, f.job)
		if err != nil {
			return err
		}
		return s.printLog(ctx, b, brigade.LogQuery{BuildID: build.ID, JobID: j.ID, Tail: f.tail}, f.timestamps, filter)
	}
	if err := s.printLog(ctx, b, brigade.LogQuery{BuildID: build.ID, Tail: f.tail}, f.timestamps, filter); err != nil {
		return err
	}
	if b.cluster != nil {
		if err := s.explainNoLog(ctx, b, build); err != nil {
			return err
		}
	}
	if !f.jobs {
		return nil
	}
	jobs, err := b.ListJobs(ctx, build.ID)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		fmt.Fprintf(s.Stdout, "==========[  %s  ]==========\n", j.ID)
		if err := s.printLog(ctx, b, brigade.LogQuery{BuildID: build.ID, JobID: j.ID, Tail: f.tail}, f.timestamps, filter); err != nil {
			return err
		}
	}
	return nil
}

// explainNoLog says where the log of a script is that has no pod.
func (s *State) explainNoLog(ctx context.Context, b *backend, build *brigade.Build) error {
	lines, err := b.ReadLog(ctx, brigade.LogQuery{BuildID: build.ID, Limit: 1})
	if err == nil && len(lines) == 0 && build.State != brigade.StatePending {
		fmt.Fprintln(s.Stderr, "Nothing is known of what the script logged: it has no pod. When it ran beside the controller, the\n"+
			"controller's API has its log, and cannot be reached, or you lack a right to that: see brig check. -j prints the jobs' logs.")
	}
	return err
}

// printInitLogs prints what the init containers of a build's pods printed.
func (s *State) printInitLogs(ctx context.Context, b *backend, build *brigade.Build, f logFlags, filter lineFilter) error {
	if b.cluster == nil {
		return brigade.Errorf(brigade.CodeUsage, "init containers are in a cluster").WithHint("name it with -n, or see brig context")
	}
	jobs := []*brigade.Job{{}} // the worker
	if f.jobs {
		var err error
		if jobs, err = b.ListJobs(ctx, build.ID); err != nil {
			return err
		}
		if f.job != "" {
			j, err := jobOf(ctx, b, build, f.job)
			if err != nil {
				return err
			}
			jobs = []*brigade.Job{j}
		}
	}
	for _, j := range jobs {
		lines, err := b.cluster.c.SidecarLog(ctx, build.ID, j.ID)
		if err != nil && (len(jobs) == 1 || brigade.CodeOf(err) != brigade.CodeNotFound) {
			return err
		}
		if len(jobs) > 1 {
			fmt.Fprintf(s.Stdout, "==========[  %s  ]==========\n", j.ID)
		}
		for _, l := range lines {
			if !filter.shows(l) {
				continue
			}
			if err := s.printLine(l, "", f.timestamps); err != nil {
				return err
			}
		}
	}
	return nil
}

// printLog prints one log in pages, so that a large one needs little memory.
func (s *State) printLog(ctx context.Context, logs brigade.Logs, q brigade.LogQuery, timestamps bool, filter lineFilter) error {
	if q.Tail == 0 {
		q.Limit = 2000
	}
	for {
		lines, err := logs.ReadLog(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if !filter.shows(l) {
				continue
			}
			if err := s.printLine(l, "", timestamps); err != nil {
				return err
			}
		}
		if q.Tail > 0 || len(lines) < q.Limit {
			return nil
		}
		q.After = lines[len(lines)-1].Seq
	}
}
