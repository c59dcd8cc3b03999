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
		Use: "gateway", Short: "Look at what came in through gateways", GroupID: "server",
		Example: "  brig gateway deliveries --outcome refused\n  brig gateway redeliver 01hxyz",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeliveries(s), newRedeliver(s))
	return cmd
}

func newDeliveries(s *State) *cobra.Command {
	var f client.DeliveryFilter
	var outcome, output string
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
					return s.showDelivery(d, output)
				}
				return s.listDeliveries(ctx, c, f, output)
			})
		},
	}
	outputFlag(cmd, &output)
	fl := cmd.Flags()
	fl.StringVar(&outcome, "outcome", "", "only those: accepted, repeat, ignored, refused, failed")
	fl.StringVar(&f.Project, "project", "", "only those that name this `project`, as they wrote it")
	fl.StringVar(&f.Gateway, "gateway", "", "only those of this `gateway`, such as github")
	fl.IntVarP(&f.Limit, "count", "c", 20, "how many at the most")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(outcomes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (s *State) listDeliveries(ctx context.Context, c *client.Client, f client.DeliveryFilter, output string) error {
	list := []brigade.Delivery{}
	want := f.Limit
	for len(list) < want {
		f.Limit = want - len(list)
		page, next, err := c.Deliveries(ctx, f)
		if err != nil {
			return err
		}
		list = append(list, page...)
		if f.Before = next; next == "" {
			break
		}
	}
	if output == "json" {
		return writeJSON(s.Stdout, list)
	}
	table := tui.NewTable("ID", "AGE", "GATEWAY", "PROJECT", "OUTCOME", ">STATUS", "REASON OR BUILD")
	for _, d := range list {
		what := d.Reason
		if len(d.Builds) > 0 {
			what = strings.Join(d.Builds, " ")
		}
		table.Add(d.ID, tui.Age(d.Time, s.Now()), d.Gateway, d.Project, string(d.Outcome), fmt.Sprint(d.Status), what)
	}
	return table.Write(s.Stdout)
}

func (s *State) showDelivery(d *brigade.Delivery, output string) error {
	if output == "json" {
		return writeJSON(s.Stdout, d)
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
	var ids []string
	s.completing(func(ctx context.Context, b *backend) error {
		if b.server == nil {
			return nil
		}
		list, _, err := b.server.Deliveries(ctx, client.DeliveryFilter{Limit: 30})
		for _, d := range list {
			ids = append(ids, d.ID+"\t"+d.Gateway+" "+d.Project+" "+string(d.Outcome))
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
