package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui"
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
	var output string
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
				if output == "json" {
					return writeJSON(s.Stdout, list)
				}
				table := tui.NewTable("PROJECT", "NAME", "CRON", "TIME ZONE", "EVENT", "NEXT")
				for _, schedule := range list {
					s.scheduleRows(table, schedule)
				}
				return table.Write(s.Stdout)
			})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().IntVar(&n, "times", 1, "how many of the next times")
	return cmd
}

func (s *State) scheduleRows(table *tui.Table, schedule client.Schedule) {
	zone, event, next := schedule.TimeZone, schedule.Event, "never"
	if zone == "" {
		zone = "UTC"
	}
	if event == "" {
		event = "cron"
	}
	if schedule.Paused {
		next = "paused"
	}
	at, err := time.LoadLocation(zone)
	if err != nil {
		at = time.UTC
	}
	if len(schedule.Next) == 0 {
		table.Add(schedule.Project, schedule.Name, schedule.Cron, zone, event, next)
		return
	}
	for i, t := range schedule.Next {
		if i == 0 {
			table.Add(schedule.Project, schedule.Name, schedule.Cron, zone, event, t.In(at).Format(time.RFC3339))
			continue
		}
		table.Add("", "", "", "", "", t.In(at).Format(time.RFC3339))
	}
}
