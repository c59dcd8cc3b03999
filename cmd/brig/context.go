package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
)

func newContext(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "context", Short: "Choose where commands work: here, on a server, in a cluster", GroupID: "setup",
		Long: `A context is a place where commands work, under a name: this machine, which is
the context "local" and always there, a server, or a namespace of a cluster. The
current one is used where nothing else is said; without any it is this machine.

Flags come before the environment, and that before the current context:

  --context NAME, --server URL, --kubeconfig --kube-context -n
  BRIGADE_CONTEXT, BRIGADE_SERVER, BRIGADE_NAMESPACE
  the current context

KUBECONFIG alone selects no cluster: it only says which one is meant when
something else asks for a cluster.

Contexts are in the file config.yaml below ~/.config/brigade, or where
XDG_CONFIG_HOME or BRIGADE_CONFIG_DIR says; what opens servers is apart from
them, in credentials.json, and is never printed.`,
		Example: `  brig login https://ci.example.org --name prod
  brig context set dev --kube-context kind-dev -n brigade
  brig context use dev
  brig context list
  brig build list --context prod`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newContextList(s), newContextUse(s), newContextCurrent(s), newContextSet(s), newContextRename(s), newContextDelete(s))
	return cmd
}

// listedContext is a context as brig context list shows it.
type listedContext struct {
	namedContext
	Current  bool `json:"current"`
	LoggedIn bool `json:"loggedIn"` // something is kept that opens it
}

func newContextList(s *State) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the contexts",
		Example: "  brig context list\n  brig context list -o json", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			list, err := s.listContexts()
			if err != nil {
				return err
			}
			return printList(s, &f, contextColumns, list)
		},
	}
	addListFlags(cmd, s, &f, contextColumns)
	return cmd
}

var contextColumns = columns[listedContext]{
	name: func(c listedContext) string { return c.Name },
	all: []column[listedContext]{
		{head: "CURRENT", of: func(_ printing, c listedContext) string {
			if c.Current {
				return "*"
			}
			return ""
		}},
		{head: "NAME", of: func(_ printing, c listedContext) string { return c.Name }},
		{head: "KIND", of: func(_ printing, c listedContext) string { return c.Kind }},
		{head: "WHERE", of: func(_ printing, c listedContext) string { return c.where() }},
		{head: "LOGGED IN", more: true, of: func(_ printing, c listedContext) string { return yesNo(c.LoggedIn) }},
	},
}

func (s *State) listContexts() ([]listedContext, error) {
	v, err := s.settings()
	if err != nil {
		return nil, err
	}
	secrets, err := s.credentials()
	if err != nil {
		return nil, err
	}
	var list []listedContext
	for _, name := range v.names() {
		c, err := v.context(name)
		if err != nil {
			return nil, err
		}
		kept, ok := secrets[name]
		list = append(list, listedContext{c, name == cmp.Or(v.Current, localContext), ok && kept.opens(s.filled(c))})
	}
	return list, nil
}

func newContextUse(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Make a context the current one",
		Example: "  brig context use prod\n  brig context use local", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, argv []string) error {
			var c namedContext
			err := s.changeSettings(func(v *settings, _ credentials) (err error) {
				if c, err = v.context(argv[0]); err == nil {
					v.Current = c.Name
				}
				return err
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Stdout, "Commands work in the context %s: %s\n", c.Name, c.where())
			s.warnOverridden()
			return nil
		},
	}
}

// warnOverridden says when the environment keeps the current context from
// being used.
func (s *State) warnOverridden() {
	for _, name := range []string{"BRIGADE_CONTEXT", "BRIGADE_SERVER", "BRIGADE_NAMESPACE"} {
		if s.Getenv(name) != "" {
			fmt.Fprintf(s.Stderr, "warning: %s is set and comes before it\n", name)
			return
		}
	}
}

// shownTarget is the place where commands work, as -o json shows it.
type shownTarget struct {
	namedContext
	Said string `json:"said"` // what selects it
}

func newContextCurrent(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "current", Short: "Show where commands work, and what says so",
		Example: "  brig context current\n  brig context current -o json", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			t, err := s.target()
			if err != nil {
				return err
			}
			if done, err := s.printObject(output, shownTarget{t.namedContext, t.said}, t.Name); done {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "%s (%s)\n", cmp.Or(t.Name, t.where()), t.said)
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func newContextSet(s *State) *cobra.Command {
	var use bool
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Make a context, or change one",
		Long: `Make a context, or change one: a server with --server, or a cluster with
--kubeconfig, --kube-context and -n. What is not given stays as it is. For a
server that needs a token, brig login makes the context, too.`,
		Example: "  brig context set dev --kube-context kind-dev -n brigade --use\n  brig context set here --server http://127.0.0.1:7745",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeContexts,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if s.remote.context != "" {
				return contradiction("--context", "brig context set")
			}
			return s.changeSettings(func(v *settings, secrets credentials) error {
				if argv[0] == localContext || !contextName(argv[0]) {
					return brigade.Errorf(brigade.CodeUsage, "a context cannot be named %q", argv[0]).WithHint("use letters, digits and . _ - @ /; local is this machine")
				}
				c, err := s.contextFromFlags(cmd, v, argv[0])
				if err != nil {
					return err
				}
				v.put(c)
				if kept, ok := secrets[c.Name]; ok && !kept.opens(c) {
					delete(secrets, c.Name) // they are for another one
				}
				if use {
					v.Current = c.Name
				}
				_, err = fmt.Fprintf(s.Stdout, "Context %s: %s\n", c.Name, c.where())
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&use, "use", false, "make it the current one, too")
	return cmd
}

// contextFromFlags is the context of that name, with what flags say changed.
func (s *State) contextFromFlags(cmd *cobra.Command, v *settings, name string) (namedContext, error) {
	c := namedContext{Name: name}
	if i := v.index(name); i >= 0 {
		c = v.Contexts[i]
	}
	given := cmd.Flags().Changed
	server := given("server") || given("ca-file") || given("insecure")
	switch {
	case server && s.kube.given():
		return c, contradiction("--server", "a flag that names a cluster")
	case server:
		c.Kubeconfig, c.KubeContext, c.Namespace = "", "", ""
		c.Kind, c.Server = kindServer, cmp.Or(s.remote.server, c.Server)
	case s.kube.given() || c.Kind == "" && s.Getenv("BRIGADE_NAMESPACE") != "":
		c = namedContext{Name: name, Kind: kindCluster, Kubeconfig: c.Kubeconfig, KubeContext: c.KubeContext, Namespace: c.Namespace}
	}
	var err error
	switch c.Kind {
	case kindServer:
		known, err := client.New(client.Options{URL: c.Server})
		if err != nil {
			return c, err
		}
		c.Server = known.URL()
		if given("insecure") {
			c.Insecure = s.remote.insecure
		}
		c.CAFile, err = absolute(s.remote.caFile, c.CAFile)
		return c, err
	case kindCluster:
		c.KubeContext = cmp.Or(s.kube.context, c.KubeContext)
		c.Namespace = cmp.Or(s.kube.namespace, c.Namespace, s.Getenv("BRIGADE_NAMESPACE"))
		c.Kubeconfig, err = absolute(s.kube.kubeconfig, cmp.Or(c.Kubeconfig, s.Getenv("KUBECONFIG")))
		return c, err
	}
	return c, brigade.Errorf(brigade.CodeUsage, "where is the context %s?", name).WithHint("name a server with --server, or a cluster with --kubeconfig, --kube-context or -n")
}

// absolute is the given file's whole path, or what is there without one.
func absolute(given, otherwise string) (string, error) {
	if given == "" {
		return otherwise, nil
	}
	return filepath.Abs(given)
}

func newContextRename(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "rename OLD NEW", Short: "Give a context another name",
		Example: "  brig context rename ci.example.org prod", Args: args(cobra.ExactArgs(2)), ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, argv []string) error {
			from, to := argv[0], argv[1]
			err := s.changeSettings(func(v *settings, secrets credentials) error {
				if _, err := v.context(from); err != nil {
					return err
				}
				switch {
				case from == localContext || to == localContext || !contextName(to):
					return brigade.Errorf(brigade.CodeUsage, "%s cannot be named %q", from, to).WithHint("local is always this machine")
				case v.index(to) >= 0:
					return brigade.Errorf(brigade.CodeConflict, "there is a context %s already", to).WithHint("delete it first: brig context delete %s", to)
				}
				v.Contexts[v.index(from)].Name = to
				if c, ok := secrets[from]; ok {
					secrets[to] = c
					delete(secrets, from)
				}
				if v.Current == from {
					v.Current = to
				}
				return nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "Renamed %s to %s\n", from, to)
			return err
		},
	}
}

func newContextDelete(s *State) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Short: "Forget contexts, and what opens them",
		Example: "  brig context delete old", Args: args(cobra.MinimumNArgs(1)), ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, argv []string) error {
			err := s.changeSettings(func(v *settings, secrets credentials) error {
				for _, name := range argv {
					if name == localContext {
						return brigade.Errorf(brigade.CodeUsage, "this machine is always there")
					}
					if _, err := v.context(name); err != nil {
						return err
					}
				}
				for _, name := range argv {
					v.Contexts = slices.DeleteFunc(v.Contexts, func(c namedContext) bool { return c.Name == name })
					delete(secrets, name)
					if v.Current == name {
						v.Current = ""
						fmt.Fprintln(s.Stderr, "warning: it was the current one; commands work on this machine again")
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			for _, name := range argv {
				fmt.Fprintf(s.Stdout, "Deleted %s\n", name)
			}
			return nil
		},
	}
}

// completeContexts completes names of contexts, for the first argument.
func (s *State) completeContexts(_ *cobra.Command, argv []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	v, err := s.settings()
	if err == nil && len(argv) == 0 {
		for _, name := range v.names() {
			if c, err := v.context(name); err == nil {
				names = append(names, name+"\t"+c.where())
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
