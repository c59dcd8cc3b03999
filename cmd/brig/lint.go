package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/script/lint"
)

type lintFlags struct {
	run      runFlags
	payloads []string
	strict   bool
	list     listFlags
}

func newLint(s *State) *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use: "lint [PROJECT]", GroupID: "work", Short: "Look for mistakes in a script",
		Long: `Look for mistakes in a script and the local files it imports, without running a
job: whether it loads, names of jobs and images that are not allowed, images
that change under their name, jobs that nobody awaits, failures that nobody
sees, events that no gateway sends. With a PROJECT, also what that does not
allow and secrets it does not have.

Then each handler is called with jobs that only play: once with jobs that
succeed, and once for every job with that one failing, which the build should
notice. Handlers get an example of their event or {} as payload, unless
--payload says otherwise; requests they make fail.

A comment brig-lint-ignore, with the codes of findings behind it or without any,
silences its line and the next one. The exit code is 1 when there is an error,
with --strict also when there is a warning.`,
		Example: `  brig lint
  brig lint -f ci/brigade.ts --payload push=push.json --strict
  brig lint acme/app -o json`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			return s.apart(ctx, &f.run, func(ctx context.Context) error {
				found, err := s.lint(ctx, &f, argv)
				if err != nil {
					return err
				}
				return s.showFindings(&f, found)
			})
		},
	}
	triedFlags(cmd, &f.run)
	addListFlags(cmd, s, &f.list, lintColumns)
	cmd.Flags().StringArrayVar(&f.payloads, "payload", nil, "`EVENT=FILE` with the payload of an event; may be repeated")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "warnings are errors")
	return cmd
}

var lintColumns = columns[lint.Finding]{
	name: func(f lint.Finding) string { return f.Code },
	all: []column[lint.Finding]{
		{head: "LEVEL", of: func(_ printing, f lint.Finding) string { return string(f.Level) }},
		{head: "WHERE", of: func(_ printing, f lint.Finding) string { return lintPlace(f) }},
		{head: "CODE", of: func(_ printing, f lint.Finding) string { return f.Code }},
		{head: "MESSAGE", of: func(_ printing, f lint.Finding) string {
			if f.Hint == "" {
				return f.Message
			}
			return f.Message + "; " + f.Hint
		}},
	},
}

// lintPlace is where a finding is: in a file, or in what a handler does.
func lintPlace(f lint.Finding) string {
	switch {
	case f.Line > 0 && f.Column > 0:
		return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	case f.Line > 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	case f.Job != "":
		return f.Event + ", job " + f.Job
	case f.Event != "":
		return f.Event
	}
	return f.File
}

func (s *State) showFindings(f *lintFlags, found []lint.Finding) error {
	bad := slices.ContainsFunc(found, func(one lint.Finding) bool {
		return one.Level == lint.Error || f.strict && one.Level == lint.Warning
	})
	if bad {
		s.exit = brigade.ExitBuildFailed
	}
	if len(found) == 0 && (f.list.output == "" || f.list.output == "table") {
		_, err := fmt.Fprintln(s.Stdout, "Nothing was found.")
		return err
	}
	return printList(s, &f.list, lintColumns, found)
}

func (s *State) lint(ctx context.Context, f *lintFlags, argv []string) ([]lint.Finding, error) {
	o := lint.Options{Payloads: map[string]string{}, Events: gateway.EventTypes(), Env: s.scriptEnv()}
	for _, pair := range f.payloads {
		event, file, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, brigade.Errorf(brigade.CodeUsage, "--payload %q names no event", pair).WithHint("write --payload push=push.json")
		}
		text, err := readInput("payload", file, brigade.MaxPayloadBytes)
		if err != nil {
			return nil, err
		}
		o.Payloads[event] = text
	}
	t, err := s.tried(ctx, &f.run)
	if err != nil {
		return nil, err
	}
	o.Script, o.File, o.Root, o.Modules = t.text, t.file, t.dir, t.modules
	if len(argv) == 1 {
		if err := s.withBackend(func(ctx context.Context, b *backend) error {
			o.Project, err = b.Project(ctx, argv[0])
			return err
		}); err != nil {
			return nil, err
		}
	}
	return lint.Script(ctx, o)
}
