package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
)

func newProject(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "project", Short: "Declare projects and look at them", GroupID: "work",
		Long: `Projects are what events belong to: a repository, its settings and its secrets.

They are declared in files, which brig project apply makes true, or created one
by one with brig project create.`,
		Example: "  brig project apply -f project.yaml\n  brig project create\n  brig project list\n  brig project get acme/app",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProjectApply(s), newProjectDiff(s), newProjectCreate(s), newProjectList(s), newProjectGet(s),
		newProjectExport(s), newProjectDelete(s))
	return cmd
}

// projects is where projects are kept, on this machine or a server, and what
// closes it.
func (s *State) projects(ctx context.Context) (brigade.Projects, func() error, error) {
	b, err := s.backend(ctx)
	if err != nil {
		return nil, nil, err
	}
	return b.Projects, b.Close, nil
}

// withProjects opens the projects for one command.
func (s *State) withProjects(do func(ctx context.Context, projects brigade.Projects) error) error {
	projects, closed, err := s.projects(s.Context)
	if err != nil {
		return err
	}
	defer func() { _ = closed() }()
	return do(s.Context, projects)
}

// findProject is the project of that name or ID. When there is none, the hint
// names one that is spelled nearly so.
func findProject(ctx context.Context, projects brigade.Projects, name string) (*brigade.Project, error) {
	p, err := projects.Project(ctx, name)
	if brigade.CodeOf(err) != brigade.CodeNotFound {
		return p, err
	}
	all, listErr := projects.ListProjects(ctx)
	if listErr != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	missing := brigade.NotFound("project", name)
	if near := projectfile.Nearest(name, names); near != "" {
		return nil, missing.WithHint("did you mean %s?", near)
	}
	return nil, missing.WithHint("brig project list shows all")
}

// completeProjects completes names of projects, for the first argument.
func (s *State) completeProjects(_ *cobra.Command, argv []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(argv) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_ = s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
		all, err := projects.ListProjects(ctx)
		for _, p := range all {
			names = append(names, p.Name+"\t"+p.Repository)
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newProjectList(s *State) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects",
		Example: "  brig project list\n  brig project list -o json\n  brig project list --columns NAME,CLONEURL,SECRETS", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				return showList(ctx, s, b, &f, projectColumns, func(ctx context.Context) ([]*brigade.Project, error) {
					all, err := b.ListProjects(ctx)
					for i := range all {
						all[i] = projectfile.Redact(all[i])
					}
					return all, err
				})
			})
		},
	}
	addListFlags(cmd, s, &f, projectColumns)
	watchFlag(cmd, &f)
	return cmd
}

// projectColumns are v1's columns, and what else there is to know.
var projectColumns = columns[*brigade.Project]{
	name:   func(p *brigade.Project) string { return p.Name },
	object: func(p *brigade.Project) any { return projectWithV1(p) },
	all: []column[*brigade.Project]{
		{head: "NAME", of: func(_ printing, p *brigade.Project) string { return p.Name }},
		{head: "ID", of: func(_ printing, p *brigade.Project) string { return p.ID }},
		{head: "REPO", of: func(_ printing, p *brigade.Project) string { return p.Repository }},
		{head: "CLONE URL", more: true, of: func(_ printing, p *brigade.Project) string { return p.Repo.CloneURL }},
		{head: "SCRIPT", more: true, of: func(_ printing, p *brigade.Project) string { return p.ScriptPath }},
		{head: "NAMESPACE", more: true, of: func(_ printing, p *brigade.Project) string { return p.Kubernetes.Namespace }},
		{head: ">SECRETS", more: true, of: func(_ printing, p *brigade.Project) string { return fmt.Sprint(len(projectfile.SecretNames(p))) }},
		{head: ">SCHEDULES", more: true, of: func(_ printing, p *brigade.Project) string { return fmt.Sprint(len(p.Schedules)) }},
		{head: "PRIVILEGED", more: true, of: func(_ printing, p *brigade.Project) string { return yesNo(p.AllowPrivilegedJobs) }},
	},
}

func newProjectGet(s *State) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "get PROJECT", Short: "Show a project; of its secrets only the names",
		Example: "  brig project get acme/app\n  brig project get acme/app -o yaml", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				p, err := findProject(ctx, projects, argv[0])
				if err != nil {
					return err
				}
				if output == "yaml" { // as brig project apply takes it
					return s.writeYAML(p, false)
				}
				if done, err := s.printObject(output, projectWithV1(projectfile.Redact(p)), p.Name); done {
					return err
				}
				return s.showProject(p)
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func (s *State) writeYAML(p *brigade.Project, withSecrets bool) error {
	text, err := projectfile.FormatYAML(p, withSecrets)
	if err != nil {
		return err
	}
	_, err = s.Stdout.Write(text)
	return err
}

// showProject prints what is set, a line each.
func (s *State) showProject(p *brigade.Project) error {
	row := func(name, value string) {
		fmt.Fprintf(s.Stdout, "%-10s %s\n", name+":", tui.Clean(value, false))
	}
	row("Project", p.Name)
	row("ID", p.ID)
	for _, c := range projectfile.Diff(nil, p.WithoutSecrets()) {
		if c.Path == "name" || c.Path == "id" {
			continue
		}
		_, value, _ := strings.Cut(c.String(), " → ")
		fmt.Fprintf(s.Stdout, "  %s: %s\n", tui.Clean(c.Path, false), tui.Clean(value, false))
	}
	names := projectfile.SecretNames(p)
	if len(names) == 0 {
		names = []string{"none"}
	}
	row("Secrets", strings.Join(names, ", "))
	return nil
}

func newProjectExport(s *State) *cobra.Command {
	var withSecrets bool
	var output string
	cmd := &cobra.Command{
		Use: "export [PROJECT...]", Short: "Print projects as a file for brig project apply",
		Long: `Print projects as a file for brig project apply: those that are named, else all.

Secrets are left out, unless --with-secrets asks for them; a file without them
keeps those that are stored when it is applied.`,
		Example: `  brig project export acme/app > project.yaml
  brig project export --with-secrets > backup.yaml
  brig project export acme/app --with-secrets -o secret | kubectl apply -f -`,
		ValidArgsFunction: s.completeMoreProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			at, err := s.target()
			if err != nil {
				return err
			}
			if withSecrets && at.Kind == kindServer {
				return brigade.Errorf(brigade.CodeUsage, "a server never shows secrets").WithHint("export without --with-secrets: applying the file keeps those that are there")
			}
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				chosen, err := chooseProjects(ctx, projects, argv)
				if err != nil {
					return err
				}
				return s.exportProjects(chosen, output, withSecrets)
			})
		},
	}
	cmd.Flags().BoolVar(&withSecrets, "with-secrets", false, "print the values of secrets, too")
	cmd.Flags().StringVarP(&output, "output", "o", "", "format: yaml (default), or secret for v1's Secret as JSON")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"yaml", "secret"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if output != "" && output != "yaml" && output != "secret" {
			return brigade.Errorf(brigade.CodeUsage, "there is no output format %q", output).WithHint("use -o yaml or -o secret")
		}
		return nil
	}
	return cmd
}

func chooseProjects(ctx context.Context, projects brigade.Projects, names []string) ([]*brigade.Project, error) {
	if len(names) == 0 {
		return projects.ListProjects(ctx)
	}
	var chosen []*brigade.Project
	for _, name := range names {
		p, err := findProject(ctx, projects, name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func (s *State) exportProjects(chosen []*brigade.Project, output string, withSecrets bool) error {
	for i, p := range chosen {
		if output == "secret" {
			if !withSecrets {
				p = p.WithoutSecrets()
			}
			secret, err := projectfile.ToSecret(p, p.Kubernetes.Namespace)
			if err != nil {
				return err
			}
			if err := writeJSON(s.Stdout, secret); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(s.Stdout, "---")
		}
		if err := s.writeYAML(p, withSecrets); err != nil {
			return err
		}
	}
	return nil
}

// completeMoreProjects completes names that are not there yet.
func (s *State) completeMoreProjects(cmd *cobra.Command, argv []string, word string) ([]string, cobra.ShellCompDirective) {
	names, directive := s.completeProjects(cmd, nil, word)
	return slices.DeleteFunc(names, func(n string) bool {
		name, _, _ := strings.Cut(n, "\t")
		return slices.Contains(argv, name)
	}), directive
}

func newProjectDelete(s *State) *cobra.Command {
	var out string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "delete PROJECT...", Short: "Delete projects; their builds stay",
		Example: "  brig project delete acme/app\n  brig project delete acme/app -o acme-app.json    keep it in a file", Args: args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: s.completeMoreProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				chosen, err := chooseProjects(ctx, projects, argv)
				if err != nil {
					return err
				}
				byID := map[string]*brigade.Project{} // one that is named twice
				for _, p := range chosen {
					byID[p.ID] = p
				}
				if out != "" {
					if err := s.backUp(out, byID); err != nil {
						return err
					}
				}
				for _, id := range slices.Sorted(maps.Keys(byID)) {
					name := tui.Clean(byID[id].Name, false)
					if dryRun {
						fmt.Fprintf(s.Stdout, "Would delete %s\n", name)
						continue
					}
					if err := projects.DeleteProject(ctx, id); err != nil {
						return err
					}
					fmt.Fprintf(s.Stdout, "Deleted %s\n", name)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the project, with its secrets, to this `file` first, as v1's Secret")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "D", false, "look whether the projects are there, and delete nothing")
	return cmd
}

// backUp writes the one project that is to be deleted to a file.
func (s *State) backUp(file string, projects map[string]*brigade.Project) error {
	at, err := s.target()
	switch {
	case err != nil:
		return err
	case at.Kind == kindServer:
		return brigade.Errorf(brigade.CodeUsage, "a server never shows secrets, and without them %s would be no copy", file).
			WithHint("brig project export keeps all but the secrets")
	case len(projects) != 1:
		return brigade.Errorf(brigade.CodeUsage, "-o keeps one project, and %d are named", len(projects)).
			WithHint("brig project export --with-secrets keeps any number")
	}
	for _, p := range projects {
		err = writeSecretFile(file, p)
	}
	return err
}
