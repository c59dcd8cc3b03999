package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/script/npm"
)

func newInstall(s *State) *cobra.Command {
	var output string
	var frozen, offline, all bool
	cmd := &cobra.Command{
		Use: "install [DIRECTORY]", GroupID: "setup", Short: "Install a script's npm dependencies ahead of time",
		Long: `Resolve the dependencies of brigade.json, fetch and verify them, and write
brigade.lock. No Node is needed and no install script is run. Builds find the
packages in the cache afterwards; what no build has used for 90 days leaves it.`,
		Example: "  brig install\n  brig install --frozen      fail when brigade.lock does not match",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, argv []string) error {
			dir := "."
			if len(argv) == 1 {
				dir = argv[0]
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("find the directory: %w", err)
			}
			dirs, err := s.dirs()
			if err != nil {
				return err
			}
			installer, err := app.NewInstaller(dirs, s.Environ())
			if err != nil {
				return err
			}
			tree, err := installer.Install(cmd.Context(), npm.Request{
				Dir: dir, BrigadeOnly: !all, Frozen: frozen, SaveLock: !frozen, Offline: offline,
			})
			if err != nil {
				return err
			}
			if err := app.ForgetDependencies(dirs, s.Now().Add(-keepPackages)); err != nil {
				fmt.Fprintln(s.Stderr, "warning: "+err.Error())
			}
			if output == "json" || output == "yaml" {
				_, err := s.printObject(output, tree, "")
				return err
			}
			return s.printTree(tree)
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&frozen, "frozen", false, "fail when brigade.lock is missing or does not match")
	cmd.Flags().BoolVar(&offline, "offline", false, "use the cache only")
	cmd.Flags().BoolVar(&all, "package-json", false, "also install the dependencies of package.json")
	return cmd
}

// keepPackages is how long the cache keeps packages that no build uses.
const keepPackages = 90 * 24 * time.Hour

func (s *State) printTree(tree npm.Tree) error {
	for _, w := range tree.Warnings {
		fmt.Fprintln(s.Stderr, "warning: "+w)
	}
	if tree.Dir == "" {
		_, err := fmt.Fprintln(s.Stdout, "Nothing to install: brigade.json names no dependencies.")
		return err
	}
	how := "installed"
	if tree.FromCache {
		how = "were there already"
	}
	verb := ""
	if tree.LockSaved {
		verb = "; wrote " + npm.LockFile
	}
	_, err := fmt.Fprintf(s.Stdout, "%s %s%s\n", count(len(tree.Packages), "package"), how, verb)
	return err
}
