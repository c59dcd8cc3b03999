package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/client"
)

func newSchedule(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schedule", Short: "Look at the schedules of projects", GroupID: "work",
		Long:    "Look at the schedules of projects. They are declared in the project's file, see brig project apply.",
		Example: "  brig schedule list\n  brig schedule list acme/app --times 10",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScheduleList(s))
	return cmd
}

func newScheduleList(s *State) *cobra.Command {
	var f listFlags
	var n int
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Aliases: []string{"ls"}, Short: "List schedules and when they start builds next",
		Example: "  brig schedule list\n  brig schedule list acme/app --times 10 -o json",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			project := ""
			if len(argv) == 1 {
				project = argv[0]
			}
			return s.withServer("schedules start builds", "brig project get shows those of a project on this machine", func(ctx context.Context, c *client.Client) error {
				list, err := c.Schedules(ctx, project, n)
				if err != nil {
					return err
				}
				if f.output == "" || f.output == "table" {
					list = perTime(list)
				}
				return printList(s, &f, scheduleColumns, list)
			})
		},
	}
	addListFlags(cmd, s, &f, scheduleColumns)
	cmd.Flags().IntVar(&n, "times", 1, "how many of the next times")
	return cmd
}

var scheduleColumns = columns[client.Schedule]{
	name: func(v client.Schedule) string { return v.Name },
	all: []column[client.Schedule]{
		{head: "PROJECT", of: func(_ printing, v client.Schedule) string { return v.Project }},
		{head: "NAME", of: func(_ printing, v client.Schedule) string { return v.Name }},
		{head: "CRON", of: func(_ printing, v client.Schedule) string { return v.Cron }},
		{head: "TIME ZONE", of: func(_ printing, v client.Schedule) string { return cmp.Or(v.TimeZone, "UTC") }},
		{head: "EVENT", of: func(_ printing, v client.Schedule) string { return cmp.Or(v.Event, "cron") }},
		{head: "NEXT", of: nextTimes},
		{head: "PAUSED", more: true, of: func(_ printing, v client.Schedule) string { return yesNo(v.Paused) }},
	},
}

// perTime has a row for each of the next times.
func perTime(list []client.Schedule) []client.Schedule {
	var rows []client.Schedule
	for _, v := range list {
		if len(v.Next) == 0 {
			rows = append(rows, v)
		}
		for _, t := range v.Next {
			v.Next = []time.Time{t}
			rows = append(rows, v)
		}
	}
	return rows
}

// nextTimes are the next times of a schedule, in its own time zone unless
// something else is asked for.
func nextTimes(p printing, v client.Schedule) string {
	zone, err := time.LoadLocation(cmp.Or(v.TimeZone, "UTC"))
	if err != nil {
		zone = time.UTC
	}
	var times []string
	for _, t := range v.Next {
		if p.times == "absolute" || p.times == "utc" {
			times = append(times, p.at(t))
		} else {
			times = append(times, t.In(zone).Format(time.RFC3339))
		}
	}
	switch {
	case v.Paused:
		return "paused"
	case len(times) == 0:
		return "never"
	}
	return strings.Join(times, " ")
}
