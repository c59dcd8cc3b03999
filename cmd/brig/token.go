package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui"
)

func newToken(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Say who may use a server", GroupID: "server",
		Example: "  brig token create ci --scope event:create --project acme/app --expires 90d\n  brig token list\n  brig token revoke 01k2token",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreate(s), newTokenList(s), newTokenRevoke(s))
	return cmd
}

func newTokenCreate(s *State) *cobra.Command {
	var n client.NewToken
	var expires, output string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a token for a person or a program",
		Long: `Make a token for a person or a program. Its name is shown where somebody did
something with it. The token is printed once, alone on standard output, and can
never be shown again.

The scopes are read (everything but secrets), event:create (create events, run
builds again, cancel them) and admin (everything). A token may be limited to
projects.`,
		Example: `  brig token create ci --scope event:create --project acme/app --expires 90d > token.txt
  brig token create dashboard --scope read
  brig token create kim --scope read --scope event:create`,
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, argv []string) error {
			n.Name = argv[0]
			if len(n.Scopes) == 0 {
				return brigade.Errorf(brigade.CodeUsage, "what may it do?").WithHint("say it with --scope: %s", strings.Join(client.Scopes, ", "))
			}
			if expires != "" {
				d, err := brigade.ParseDuration(expires)
				if err != nil || d <= 0 {
					return brigade.Errorf(brigade.CodeUsage, "--expires %q is no duration", expires).WithHint("write it like 90d or 12h")
				}
				n.ExpiresIn = d
			}
			return s.withServer("tokens are needed", "this machine's store is open to its user", func(ctx context.Context, c *client.Client) error {
				t, err := c.CreateToken(ctx, n)
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(s.Stdout, t)
				}
				fmt.Fprintf(s.Stderr, "Made the token %s (%s), which expires %s. It is not shown again:\n", t.ID, tui.Clean(t.Name, false), when(t.Expires, "never"))
				_, err = fmt.Fprintln(s.Stdout, t.Secret)
				return err
			})
		},
	}
	outputFlag(cmd, &output)
	fl := cmd.Flags()
	fl.StringSliceVar(&n.Scopes, "scope", nil, "what it may do: read, event:create, admin; may be repeated")
	fl.StringArrayVar(&n.Projects, "project", nil, "`project` that it is limited to; may be repeated")
	fl.StringVar(&expires, "expires", "", "how long it opens doors, such as `90d`; default for ever")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(client.Scopes, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("project", func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return s.completeProjects(cmd, nil, word)
	})
	return cmd
}

// when is a time for people; the zero time is otherwise.
func when(t time.Time, otherwise string) string {
	if t.IsZero() {
		return otherwise
	}
	return t.Local().Format("2006-01-02 15:04")
}

func newTokenList(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the tokens of a server",
		Example: "  brig token list\n  brig token list -o json", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withServer("tokens are needed", "", func(ctx context.Context, c *client.Client) error {
				all, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(s.Stdout, all)
				}
				table := tui.NewTable("ID", "NAME", "SCOPES", "PROJECTS", "EXPIRES", "LAST USED")
				for _, t := range all {
					projects := strings.Join(t.Projects, ",")
					if projects == "" {
						projects = "all"
					}
					expires := when(t.Expires, "never")
					if !t.Expires.IsZero() && !s.Now().Before(t.Expires) {
						expires = "expired"
					}
					table.Add(t.ID, t.Name, strings.Join(t.Scopes, ","), projects, expires, when(t.LastUsed, "never"))
				}
				return table.Write(s.Stdout)
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func newTokenRevoke(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "revoke TOKEN...", Short: "Make tokens open nothing any more, at once",
		Example: "  brig token revoke 01k2token", Args: args(cobra.MinimumNArgs(1)), ValidArgsFunction: s.completeTokens,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withServer("tokens are needed", "", func(ctx context.Context, c *client.Client) error {
				for _, id := range argv {
					if err := c.RevokeToken(ctx, id); err != nil {
						return err
					}
					fmt.Fprintf(s.Stdout, "Revoked %s\n", tui.Clean(id, false))
				}
				return nil
			})
		},
	}
}

func (s *State) completeTokens(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	s.completing(func(ctx context.Context, b *backend) error {
		if b.server == nil {
			return nil
		}
		all, err := b.server.Tokens(ctx)
		for _, t := range all {
			ids = append(ids, t.ID+"\t"+t.Name)
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func newAudit(s *State) *cobra.Command {
	var f client.AuditFilter
	var output string
	cmd := &cobra.Command{
		Use: "audit", Short: "Show who changed what on a server", GroupID: "server",
		Example: "  brig audit\n  brig audit --actor ci --action event.create -c 100 -o json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withServer("changes are written down", "", func(ctx context.Context, c *client.Client) error {
				list := []client.AuditEntry{}
				want := f.Limit
				for len(list) < want {
					f.Limit = want - len(list)
					page, next, err := c.Audit(ctx, f)
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
				table := tui.NewTable("TIME", "ACTOR", "ACTION", "PROJECT", "TARGET", ">STATUS", "REASON")
				for _, e := range list {
					table.Add(e.Time.Local().Format("2006-01-02 15:04:05"), e.Actor, e.Action, e.Project, e.Target, fmt.Sprint(e.Status), e.Reason)
				}
				return table.Write(s.Stdout)
			})
		},
	}
	outputFlag(cmd, &output)
	fl := cmd.Flags()
	fl.StringVar(&f.Actor, "actor", "", "only what the one with that `name` did")
	fl.StringVar(&f.Action, "action", "", "only that `action`, such as project.put")
	fl.StringVar(&f.Project, "project", "", "only what was done to that `project`")
	fl.IntVarP(&f.Limit, "count", "c", 20, "how many entries at the most")
	return cmd
}
