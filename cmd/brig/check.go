package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/kube/console"
)

func newCheck(s *State) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Check whether everything works", GroupID: "setup",
		Long: `Check whether everything works where commands do: on this machine the store and
what runs jobs, on a server its answers and the token, in a cluster the
installation of Brigade. The exit code is 6 when something does not.`,
		Example: "  brig check\n  brig check -n brigade\n  brig check --server https://ci.example.org -o json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			t, err := s.target()
			if err != nil {
				return err
			}
			found, err := s.check(ctx, t)
			if err != nil {
				return err
			}
			if err := printList(s, &f, findingColumns, found); err != nil {
				return err
			}
			for _, one := range found {
				if !one.OK {
					s.exit = brigade.ExitUnavailable
				}
			}
			return nil
		},
	}
	addListFlags(cmd, s, &f, findingColumns)
	return cmd
}

var findingColumns = columns[console.Finding]{
	name: func(f console.Finding) string { return f.Part },
	all: []column[console.Finding]{
		{head: "PART", of: func(_ printing, f console.Finding) string { return f.Part }},
		{head: "OK", of: func(_ printing, f console.Finding) string { return yesNo(f.OK) }},
		{head: "WHAT", of: func(_ printing, f console.Finding) string {
			if f.Hint != "" && !f.OK {
				return f.Message + " (" + f.Hint + ")"
			}
			return f.Message
		}},
	},
}

func (s *State) check(ctx context.Context, t target) ([]console.Finding, error) {
	switch t.Kind {
	case kindCluster:
		c, err := s.console(ctx, t)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		return c.Check(ctx), nil
	case kindServer:
		c, err := s.client()
		if err != nil {
			return nil, err
		}
		return s.checkServer(ctx, c), nil
	}
	return s.checkHere(ctx), nil
}

// finding says how one part is: all is well unless err says otherwise.
func finding(part string, err error, format string, args ...any) console.Finding {
	f := console.Finding{Part: part, OK: err == nil, Message: fmt.Sprintf(format, args...)}
	if err != nil {
		f.Message = err.Error()
		if known, ok := asKnown(err); ok {
			f.Message, f.Hint = known.Message, known.Hint
		}
	}
	return f
}

func (s *State) checkServer(ctx context.Context, c *client.Client) []console.Finding {
	version, err := c.Version(ctx)
	found := []console.Finding{finding("server", err, "%s, version %s", c.URL(), version)}
	if err != nil {
		return found
	}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return append(found, finding("token", err, ""))
	}
	found = append(found, finding("token", nil, "%s, who may: %s", who.Name, mayDo(who)))
	err = c.Ready(ctx)
	return append(found, finding("ready", err, "builds are started"))
}

// checkHere looks at this machine's store and at what would run jobs.
func (s *State) checkHere(ctx context.Context) []console.Finding {
	dirs, err := s.dirs()
	if err != nil {
		return []console.Finding{finding("store", err, "")}
	}
	store, err := app.OpenStore(ctx, dirs)
	if err == nil {
		_, err = store.ListBuilds(ctx, brigade.BuildFilter{Limit: 1})
		_ = store.Close()
	}
	found := []console.Finding{finding("store", err, "%s", dirs.State)}
	if err != nil {
		return found
	}
	a, err := app.New(ctx, app.Options{Dirs: dirs, Environ: s.Environ(), Runner: "auto", Now: s.Now, Limits: brigade.ScriptLimits{}})
	if err != nil {
		return append(found, finding("runner", err, ""))
	}
	defer func() { _ = a.Close() }()
	err = a.Runner.Check(ctx)
	return append(found, finding("runner", err, "%s", a.RunnerNote))
}
