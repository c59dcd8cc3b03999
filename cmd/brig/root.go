package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

// version is set by the linker: -X main.version=v3.0.0
var version = ""

// newRoot builds the command tree.
func newRoot(s *State) *cobra.Command {
	root := &cobra.Command{
		Use:   "brig",
		Short: "Event-driven scripting for containers",
		Long: `Brigade runs a short JavaScript or TypeScript file, brigade.js, when something
happens. The script starts jobs: containers with a few shell tasks, one after
another or in parallel, with ordinary code deciding.

Commands work on this machine; after brig login, or with --server, on a server
that was started with brig server; with -n, --kubeconfig or --kube-context in a
cluster, as v1's brig did. brig context keeps these places under names.

On this machine nothing else needs to be installed: jobs run in containers when
a container engine answers, else as processes.`,
		Example: `  brig init                          scaffold a pipeline in this directory
  brig run                           run ./brigade.js with the event "exec"
  brig run -e push -p payload.json   run it with another event
  brig run --dry-run                 show which jobs would run
  brig build list                    what ran before
  brig build logs 01hx -j test       what a job of it printed
  brig login https://ci.example.org  work on a server from now on
  brig run acme/app -n brigade       run a project in a cluster`,
		SilenceUsage: true, SilenceErrors: true,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &brigade.Error{Code: brigade.CodeUsage, Message: err.Error(), Hint: "see " + cmd.CommandPath() + " --help"}
	})
	root.PersistentFlags().BoolVarP(&s.verbose, "verbose", "v", false, "say more, such as what is behind an error")
	root.PersistentFlags().BoolVar(&s.noColor, "no-color", false, "print without colours (also: NO_COLOR)")
	s.remote.register(root, s)
	s.kube.register(root)
	root.AddGroup(&cobra.Group{ID: "work", Title: "Run and look:"}, &cobra.Group{ID: "server", Title: "Run a server:"}, &cobra.Group{ID: "setup", Title: "Set up:"})
	for _, add := range commands() {
		root.AddCommand(add(s))
	}
	addCompletion(root)
	return root
}

// unknownCommand refuses words that are no command, and names similar ones.
func unknownCommand(cmd *cobra.Command, argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	e := brigade.Errorf(brigade.CodeUsage, "there is no command %q", argv[0]).WithHint("see %s --help", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if similar := cmd.SuggestionsFor(argv[0]); len(similar) > 0 {
		return e.WithHint("did you mean %s %s?", cmd.CommandPath(), similar[0])
	}
	return e
}

// commands lists every command: one file each.
func commands() []func(*State) *cobra.Command {
	return []func(*State) *cobra.Command{
		newRun, newRerun, newTest, newLint, newBuild, newTerm, newEvent, newProject, newSecretCommand, newSchedule, newArtifact, newOpen, newDashboard, newServer, newController, newVacuum,
		newGateway, newToken, newAudit, newLogin, newLogout, newContext, newCheck, newInit, newInstall, newVersion, newExitCodes, newWorker, newWorkspace, newVCS,
	}
}

func newVersion(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", GroupID: "setup", Args: args(cobra.NoArgs),
		Example: "  brig version\n  brig version -o json",
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo()
			if done, err := s.printObject(output, v, v.Version); done {
				return err
			}
			_, err := fmt.Fprintf(s.Stdout, "brig %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

type versionAnswer struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionInfo() versionAnswer {
	v := versionAnswer{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Commit = setting.Value
			}
		}
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
	}
	if v.Version == "" {
		v.Version = "development"
	}
	return v
}
