package main

import (
	"cmp"
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
				if output == "json" || output == "yaml" {
					_, err := s.printObject(output, t, "")
					return err
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
	return cmp.Or(printing{times: "absolute"}.at(t), otherwise)
}

func newTokenList(s *State) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the tokens of a server",
		Example: "  brig token list\n  brig token list -o json", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withServer("tokens are needed", "", func(ctx context.Context, c *client.Client) error {
				all, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				return printList(s, &f, tokenColumns, all)
			})
		},
	}
	addListFlags(cmd, s, &f, tokenColumns)
	return cmd
}

var tokenColumns = columns[client.Token]{
	name: func(t client.Token) string { return t.ID },
	all: []column[client.Token]{
		{head: "ID", of: func(_ printing, t client.Token) string { return t.ID }},
		{head: "NAME", of: func(_ printing, t client.Token) string { return t.Name }},
		{head: "SCOPES", of: func(_ printing, t client.Token) string { return strings.Join(t.Scopes, ",") }},
		{head: "PROJECTS", of: func(_ printing, t client.Token) string { return cmp.Or(strings.Join(t.Projects, ","), "all") }},
		{head: "EXPIRES", of: func(p printing, t client.Token) string {
			if !t.Expires.IsZero() && !p.now.Before(t.Expires) {
				return "expired"
			}
			return cmp.Or(p.at(t.Expires), "never")
		}},
		{head: "LAST USED", of: func(p printing, t client.Token) string { return cmp.Or(p.ago(t.LastUsed), "never") }},
		{head: "CREATED", more: true, of: func(p printing, t client.Token) string { return p.ago(t.Created) }},
		{head: "CREATED BY", more: true, of: func(_ printing, t client.Token) string { return t.CreatedBy }},
	},
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
	return s.completeFromServer(func(ctx context.Context, c *client.Client) (words []string, err error) {
		all, err := c.Tokens(ctx)
		for _, t := range all {
			words = append(words, t.ID+"\t"+t.Name)
		}
		return words, err
	})
}

func newAudit(s *State) *cobra.Command {
	var f client.AuditFilter
	var list listFlags
	cmd := &cobra.Command{
		Use: "audit", Short: "Show who changed what on a server", GroupID: "server",
		Example: "  brig audit\n  brig audit --actor ci --action event.create -c 100 -o json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withServer("changes are written down", "", func(ctx context.Context, c *client.Client) error {
				return showList(ctx, s, &backend{}, &list, auditColumns, func(ctx context.Context) ([]client.AuditEntry, error) {
					return pages(f.Limit, "", func(n int, before string) ([]client.AuditEntry, string, error) {
						f := f
						f.Limit, f.Before = n, before
						return c.Audit(ctx, f)
					})
				})
			})
		},
	}
	addListFlags(cmd, s, &list, auditColumns)
	watchFlag(cmd, &list)
	fl := cmd.Flags()
	fl.StringVar(&f.Actor, "actor", "", "only what the one with that `name` did")
	fl.StringVar(&f.Action, "action", "", "only that `action`, such as project.put")
	fl.StringVar(&f.Project, "project", "", "only what was done to that `project`")
	fl.IntVarP(&f.Limit, "count", "c", 20, "how many entries at the most")
	return cmd
}

var auditColumns = columns[client.AuditEntry]{
	name: func(e client.AuditEntry) string { return e.ID },
	all: []column[client.AuditEntry]{
		{head: "TIME", of: func(p printing, e client.AuditEntry) string { return p.at(e.Time) }},
		{head: "ACTOR", of: func(_ printing, e client.AuditEntry) string { return e.Actor }},
		{head: "ACTION", of: func(_ printing, e client.AuditEntry) string { return e.Action }},
		{head: "PROJECT", of: func(_ printing, e client.AuditEntry) string { return e.Project }},
		{head: "TARGET", of: func(_ printing, e client.AuditEntry) string { return e.Target }},
		{head: ">STATUS", of: func(_ printing, e client.AuditEntry) string { return fmt.Sprint(e.Status) }},
		{head: "REASON", of: func(_ printing, e client.AuditEntry) string { return e.Reason }},
		{head: "FROM", more: true, of: func(_ printing, e client.AuditEntry) string { return e.Remote }},
	},
}
