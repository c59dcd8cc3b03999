package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/scaffold"
	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/script/scripttest"
	"github.com/brigadecore/brigade/v3/tui"
)

func newInit(s *State) *cobra.Command {
	var js, ts, typesOnly, force bool
	var output, template string
	cmd := &cobra.Command{
		Use: "init [DIRECTORY]", GroupID: "setup", Short: "Scaffold a pipeline",
		Long: `Write a script to start from, the declarations that let an editor complete and
check it, and a README. Nothing that is there already is changed.

What the script does is up to --template: hello shows how it is done, ci checks
pushes and pull requests, release builds and deploys tags. The latter two come
with tests, see brig test.`,
		Example: "  brig init\n  brig init --ts ci\n  brig init --template ci\n  brig init --types      only refresh the declarations",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, argv []string) error {
			dir := "."
			if len(argv) == 1 {
				dir = argv[0]
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("find the directory: %w", err)
			}
			opt := scaffold.Options{Types: script.Types, TestTypes: scripttest.Types, TypesOnly: typesOnly, Force: force, Language: scaffold.TypeScript, Template: template}
			if js {
				opt.Language = scaffold.JavaScript
			}
			files, err := scaffold.Write(dir, opt)
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				_, err := s.printObject(output, files, "")
				return err
			}
			return s.printScaffold(files, typesOnly)
		},
	}
	outputFlag(cmd, &output)
	beforeRun(cmd, func() error { return exclusive(cmd, [2]string{"js", "ts"}) })
	cmd.Flags().StringVar(&template, "template", scaffold.Templates[0], "what the script does: "+strings.Join(scaffold.Templates, ", "))
	_ = cmd.RegisterFlagCompletionFunc("template", cobra.FixedCompletions(scaffold.Templates, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&js, "js", false, "write brigade.js")
	cmd.Flags().BoolVar(&ts, "ts", false, "write brigade.ts (the default)")
	cmd.Flags().BoolVar(&typesOnly, "types", false, "write the declarations only")
	cmd.Flags().BoolVar(&force, "force", false, "replace files that exist")
	return cmd
}

func (s *State) printScaffold(files []scaffold.File, typesOnly bool) error {
	table := tui.NewTable("FILE", "STATE", "PURPOSE")
	for _, f := range files {
		table.Add(f.Path, string(f.Action), f.Purpose)
	}
	if err := table.Write(s.Stdout); err != nil || typesOnly {
		return err
	}
	_, err := fmt.Fprintln(s.Stdout, "\nRun it: brig run")
	return err
}
