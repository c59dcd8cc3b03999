package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui"
)

var outcomes = []string{"accepted", "repeat", "ignored", "refused", "failed"}

func newGateway(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "gateway", Short: "Look at what came in through gateways, and serve those of a cluster", GroupID: "server",
		Example: "  brig gateway deliveries --outcome refused\n  brig gateway redeliver 01hxyz",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeliveries(s), newRedeliver(s), newGatewayServe(s))
	return cmd
}

func newDeliveries(s *State) *cobra.Command {
	var f client.DeliveryFilter
	var list listFlags
	var outcome string
	cmd := &cobra.Command{
		Use: "deliveries [DELIVERY]", Short: "List requests to gateways and what became of them, newest first",
		Long: `List requests to gateways and what became of them, newest first: accepted, a
repeat of one before, ignored although all was well, refused (with the reason
that its sender was not told), or failed on the server's side. A single one is
shown whole, with its body.`,
		Example: "  brig gateway deliveries\n  brig gateway deliveries --outcome refused --project acme/app\n  brig gateway deliveries 01k2delivery -o json",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeDeliveries,
		RunE: func(_ *cobra.Command, argv []string) error {
			f.Outcome = brigade.Outcome(strings.ToLower(outcome))
			return s.withServer("requests to gateways are kept", "", func(ctx context.Context, c *client.Client) error {
				if len(argv) == 1 {
					d, err := c.Delivery(ctx, argv[0])
					if err != nil {
						return err
					}
					return s.showDelivery(d, list.output)
				}
				return showList(ctx, s, &backend{}, &list, deliveryColumns, func(ctx context.Context) ([]brigade.Delivery, error) {
					return pages(f.Limit, f.Before, func(n int, before string) ([]brigade.Delivery, string, error) {
						f := f
						f.Limit, f.Before = n, before
						return c.Deliveries(ctx, f)
					})
				})
			})
		},
	}
	addListFlags(cmd, s, &list, deliveryColumns)
	watchFlag(cmd, &list)
	fl := cmd.Flags()
	fl.StringVar(&outcome, "outcome", "", "only those: accepted, repeat, ignored, refused, failed")
	fl.StringVar(&f.Project, "project", "", "only those that name this `project`, as they wrote it")
	fl.StringVar(&f.Gateway, "gateway", "", "only those of this `gateway`, such as github")
	fl.IntVarP(&f.Limit, "count", "c", 20, "how many at the most")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(outcomes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// pages reads pages of a list until there are n items, or no more.
func pages[T any](n int, before string, page func(n int, before string) (items []T, next string, err error)) ([]T, error) {
	list := []T{}
	for len(list) < n {
		items, next, err := page(n-len(list), before)
		if err != nil {
			return nil, err
		}
		list = append(list, items...)
		if before = next; next == "" {
			break
		}
	}
	return list, nil
}

var deliveryColumns = columns[brigade.Delivery]{
	name: func(d brigade.Delivery) string { return d.ID },
	all: []column[brigade.Delivery]{
		{head: "ID", of: func(_ printing, d brigade.Delivery) string { return d.ID }},
		{head: "AGE", of: func(p printing, d brigade.Delivery) string { return p.ago(d.Time) }},
		{head: "GATEWAY", of: func(_ printing, d brigade.Delivery) string { return d.Gateway }},
		{head: "PROJECT", of: func(_ printing, d brigade.Delivery) string { return d.Project }},
		{head: "OUTCOME", of: func(_ printing, d brigade.Delivery) string { return string(d.Outcome) }},
		{head: ">STATUS", of: func(_ printing, d brigade.Delivery) string { return fmt.Sprint(d.Status) }},
		{head: "REASON OR BUILD", of: func(_ printing, d brigade.Delivery) string {
			if len(d.Builds) > 0 {
				return strings.Join(d.Builds, " ")
			}
			return d.Reason
		}},
		{head: "FROM", more: true, of: func(_ printing, d brigade.Delivery) string { return d.Remote }},
		{head: "EVENTS", more: true, of: func(_ printing, d brigade.Delivery) string { return strings.Join(d.Types, " ") }},
		{head: "ROUTE", more: true, of: func(_ printing, d brigade.Delivery) string { return d.Route }},
	},
}

func (s *State) showDelivery(d *brigade.Delivery, output string) error {
	if done, err := s.printObject(output, d, d.ID); done {
		return err
	}
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(s.Stdout, "%-10s %s\n", name+":", tui.Clean(value, false))
		}
	}
	row("Delivery", d.ID)
	row("Time", d.Time.Local().Format("2006-01-02T15:04:05Z07:00"))
	row("Gateway", d.Gateway+" ("+d.Route+")")
	row("Project", d.Project)
	row("From", d.Remote)
	row("Outcome", fmt.Sprintf("%s (%d)", d.Outcome, d.Status))
	row("Reason", d.Reason)
	row("Events", strings.Join(d.Types, ", "))
	row("Builds", strings.Join(d.Builds, ", "))
	if d.Body == "" {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	for line := range strings.Lines(d.Body) {
		fmt.Fprintln(s.Stdout, tui.Clean(strings.TrimRight(line, "\r\n"), false))
	}
	return nil
}

func newRedeliver(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "redeliver DELIVERY", Short: "Handle a request to a gateway once more",
		Long: `Handle a request to a gateway once more, for instance after a project or a
subscription was mended. Its authentication is not repeated. What came of it is
printed; the exit code is not 0 when it is refused again.`,
		Example: "  brig gateway redeliver 01k2delivery",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeDeliveries,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withServer("requests to gateways are kept", "", func(ctx context.Context, c *client.Client) error {
				d, err := c.Redeliver(ctx, argv[0])
				if err != nil {
					return err
				}
				if d.Outcome == brigade.OutcomeRefused || d.Outcome == brigade.OutcomeFailed {
					s.exit = brigade.ExitBuildFailed
				}
				return s.showDelivery(d, output)
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// completeDeliveries completes the IDs of the newest deliveries.
func (s *State) completeDeliveries(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return s.completeFromServer(func(ctx context.Context, c *client.Client) (words []string, err error) {
		list, _, err := c.Deliveries(ctx, client.DeliveryFilter{Limit: 30})
		for _, d := range list {
			words = append(words, d.ID+"\t"+d.Gateway+" "+d.Project+" "+string(d.Outcome))
		}
		return words, err
	})
}

// completeFromServer completes what a server only knows.
func (s *State) completeFromServer(ask func(ctx context.Context, c *client.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	var words []string
	s.completing(func(ctx context.Context, b *backend) (err error) {
		if b.server != nil {
			words, err = ask(ctx, b.server)
		}
		return err
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}
