package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
)

// projectEndings are the files of a directory that hold projects.
var projectEndings = []string{".yaml", ".yml", ".json"}

// The results of applying a project.
const (
	projectCreated   = "created"
	projectChanged   = "changed"
	projectUnchanged = "unchanged"
)

// plan is what applying a project does.
type plan struct {
	Name    string               `json:"name"`
	ID      string               `json:"id"`
	Result  string               `json:"result"` // created, changed or unchanged
	Changes []projectfile.Change `json:"changes,omitempty"`

	project *brigade.Project
}

var planColumns = columns[plan]{name: func(p plan) string { return p.Name }}

func newProjectApply(s *State) *cobra.Command {
	var files []string
	var dryRun bool
	var output string
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make projects as files declare them",
		Long: `Create the projects that files declare, and change those that differ. Applying
the same files again changes nothing.

A file is YAML or JSON and holds one project or several. Secrets that it does
not mention stay as they are; a secret that it declares as null is removed.
Nothing is written unless all files are right.`,
		Example: `  brig project apply -f project.yaml
  brig project apply -f projects/ --dry-run
  kubectl get secret -l component=project -o yaml | brig project apply -f -`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			declared, err := s.declaredProjects(files)
			if err != nil {
				return err
			}
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				plans, err := planProjects(ctx, projects, declared)
				if err != nil {
					return err
				}
				for _, p := range plans {
					if dryRun || p.Result == projectUnchanged {
						continue
					}
					if err := projects.PutProject(ctx, p.project); err != nil {
						return err
					}
				}
				return s.showPlans(plans, output, dryRun)
			})
		},
	}
	filesFlag(cmd, &files)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	outputFlag(cmd, &output)
	return cmd
}

// filesFlag adds -f to a command that reads projects.
func filesFlag(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVarP(files, "file", "f", nil, "`file` with projects, directory with such files, or - for standard input")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
}

func newProjectDiff(s *State) *cobra.Command {
	var files []string
	var output string
	var exitCode bool
	cmd := &cobra.Command{
		Use: "diff -f FILE", Short: "Show what brig project apply would change",
		Example: "  brig project diff -f project.yaml\n  brig project diff -f projects/ --exit-code", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			declared, err := s.declaredProjects(files)
			if err != nil {
				return err
			}
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				plans, err := planProjects(ctx, projects, declared)
				if err != nil {
					return err
				}
				if exitCode && slices.ContainsFunc(plans, func(p plan) bool { return p.Result != projectUnchanged }) {
					s.exit = 1
				}
				if output != "" && output != "table" {
					return printList(s, &listFlags{output: output}, planColumns, plans)
				}
				s.showDiff(plans)
				return nil
			})
		},
	}
	filesFlag(cmd, &files)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 1 when something differs")
	outputFlag(cmd, &output)
	return cmd
}

// declaredProjects reads all files before anything is done.
func (s *State) declaredProjects(files []string) ([]*brigade.Project, error) {
	if len(files) == 0 {
		return nil, brigade.Errorf(brigade.CodeUsage, "which file?").WithHint("name it with -f, such as -f project.yaml, or - for standard input")
	}
	var all []*brigade.Project
	where := map[string]string{}
	var names []string
	for _, file := range files {
		found, err := projectFiles(file)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	for _, file := range names {
		projects, err := s.readProjects(file)
		if err != nil {
			return nil, err
		}
		for _, p := range projects {
			if other, ok := where[p.ID]; ok {
				return nil, brigade.Errorf(brigade.CodeInvalid, "project %q is in both %s and %s", p.Name, other, file)
			}
			where[p.ID] = file
		}
		all = append(all, projects...)
	}
	if len(all) == 0 {
		return nil, brigade.Errorf(brigade.CodeUsage, "there is no project in %s", strings.Join(files, ", ")).WithHint("begin it with the line kind: Project")
	}
	return all, nil
}

// projectFiles are the files that name stands for: itself, or those of a
// directory.
func projectFiles(name string) ([]string, error) {
	if !isDirectory(name) {
		return []string{name}, nil // what is wrong with it is said when it is read
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the directory %s cannot be read: %w", name, err)
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(projectEndings, strings.ToLower(filepath.Ext(e.Name()))) && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	return files, nil
}

func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return name != "-" && err == nil && info.IsDir()
}

// readProjects reads one file, and warns about what is probably not meant.
func (s *State) readProjects(file string) ([]*brigade.Project, error) {
	text, err := s.fileOrStdin("project", file, projectfile.MaxBytes)
	if err != nil {
		return nil, err
	}
	if file == "-" {
		file = "stdin"
	}
	projects, warnings, err := projectfile.Parse(file, []byte(text), intake.Check)
	for _, w := range warnings {
		fmt.Fprintln(s.Stderr, "warning: "+tui.Clean(w.String(), false))
	}
	return projects, err
}

// fileOrStdin reads a file that a flag names, - being standard input.
func (s *State) fileOrStdin(what, name string, limit int64) (string, error) {
	if name != "-" {
		return readInput(what, name, limit)
	}
	text, err := s.interruptible(func() (string, error) {
		text, err := io.ReadAll(io.LimitReader(s.Stdin, limit+1))
		return string(text), err
	})
	if err != nil {
		return "", fmt.Errorf("read the %s from standard input: %w", what, err)
	}
	if int64(len(text)) > limit {
		return "", brigade.Errorf(brigade.CodeTooLarge, "the %s on standard input is larger than %d MiB", what, limit>>20)
	}
	return text, nil
}

// planProjects compares what is declared with what is stored.
func planProjects(ctx context.Context, projects brigade.Projects, declared []*brigade.Project) ([]plan, error) {
	plans := make([]plan, 0, len(declared))
	for _, d := range declared {
		stored, err := projects.Project(ctx, d.ID)
		p := plan{Name: d.Name, ID: d.ID, Result: projectChanged}
		switch {
		case brigade.CodeOf(err) == brigade.CodeNotFound:
			stored, p.Result = nil, projectCreated
		case err != nil:
			return nil, err
		}
		if stored != nil {
			if stored, err = seeSecrets(ctx, projects, stored, d); err != nil {
				return nil, err
			}
		}
		p.project = projectfile.Keep(stored, d)
		if stored != nil {
			if p.Changes = projectfile.Diff(stored, p.project); len(p.Changes) == 0 {
				p.Result = projectUnchanged
			}
		} else {
			p.Changes = projectfile.Diff(brigade.NewProject(d.Name), p.project)
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// comparer is a store that shows no secrets, but tells which of those of p, by
// path, it has with the same value.
type comparer interface {
	SameSecrets(ctx context.Context, p *brigade.Project) ([]string, error)
}

// seeSecrets returns stored, a copy, with those secrets of declared that the
// store has as well, if the store does not show them. Who may not ask sees all
// declared ones as changed.
func seeSecrets(ctx context.Context, projects brigade.Projects, stored, declared *brigade.Project) (*brigade.Project, error) {
	server, ok := projects.(comparer)
	if !ok {
		return stored, nil
	}
	same, err := server.SameSecrets(ctx, declared)
	if brigade.CodeOf(err) == brigade.CodeDenied {
		return stored, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare the secrets of project %s: %w", declared.Name, err)
	}
	seen := *stored
	seen.Secrets = maps.Clone(stored.Secrets)
	for _, f := range projectfile.SecretFields() {
		if slices.Contains(same, f.Path) {
			*f.Of(&seen) = *f.Of(declared)
		}
	}
	for name := range seen.Secrets {
		if slices.Contains(same, "secrets."+name) {
			seen.Secrets[name] = declared.Secrets[name]
		}
	}
	return &seen, nil
}

func (s *State) showPlans(plans []plan, output string, dryRun bool) error {
	if output != "" && output != "table" {
		return printList(s, &listFlags{output: output}, planColumns, plans)
	}
	for _, p := range plans {
		result := p.Result
		if dryRun && result != projectUnchanged {
			result = "would be " + result
		}
		fmt.Fprintf(s.Stdout, "%s %s\n", tui.Clean(p.Name, false), result)
		if p.Result == projectChanged {
			s.showChanges(p.Changes)
		}
	}
	return nil
}

func (s *State) showDiff(plans []plan) {
	for _, p := range plans {
		switch p.Result {
		case projectCreated:
			fmt.Fprintf(s.Stdout, "%s is new\n", tui.Clean(p.Name, false))
		case projectChanged:
			fmt.Fprintf(s.Stdout, "%s differs\n", tui.Clean(p.Name, false))
		default:
			continue
		}
		s.showChanges(p.Changes)
	}
}

func (s *State) showChanges(changes []projectfile.Change) {
	for _, c := range changes {
		fmt.Fprintf(s.Stdout, "  %s\n", tui.Clean(c.String(), false))
	}
}
