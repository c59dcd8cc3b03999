package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
)

// createFlags are v1's flags of brig project create.
type createFlags struct {
	file, out, from            string
	noPrompts, dryRun, replace bool
}

func newProjectCreate(s *State) *cobra.Command {
	var f createFlags
	cmd := &cobra.Command{
		Use: "create [NAME]", Short: "Create a project by answering questions, or from a file",
		Long: `Create a project. Questions are asked for what makes it up, with the settings of
-f or -p as answers to start from; -x asks nothing.

A file is a project.yaml, or the Secret of a Brigade v1 project as JSON or YAML.`,
		Example: `  brig project create
  brig project create -x -f project.yaml
  brig project create -r -p acme/app        change one by answering again
  brig project create -x -f old.json -D -o new.json`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if err := exclusive(cmd, [2]string{"file", "from-project"}); err != nil {
				return err
			}
			return s.createProject(&f, argv)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "file", "f", "", "`file` with the project to start from; - for standard input")
	fl.BoolVarP(&f.noPrompts, "no-prompts", "x", false, "ask nothing")
	fl.BoolVarP(&f.dryRun, "dry-run", "D", false, "print the project instead of creating it")
	fl.StringVarP(&f.out, "out", "o", "", "also write the project, with its secrets, to this `file` as v1's Secret")
	fl.BoolVarP(&f.replace, "replace", "r", false, "replace the project if it exists")
	fl.StringVarP(&f.from, "from-project", "p", "", "`project` to start from")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	_ = cmd.RegisterFlagCompletionFunc("from-project", s.completeProjects)
	return cmd
}

func (s *State) createProject(f *createFlags, argv []string) error {
	if f.noPrompts && f.file == "" && f.from == "" && len(argv) == 0 {
		return brigade.Errorf(brigade.CodeUsage, "-x asks nothing, so nobody says what to create").
			WithHint("name a file with -f, a project with -p, or the new project: brig project create -x acme/app")
	}
	if f.file == "-" && !f.noPrompts {
		return brigade.Errorf(brigade.CodeUsage, "standard input cannot be both the file and the answers").WithHint("add -x to ask nothing")
	}
	return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
		p, err := s.startProject(ctx, projects, f, argv)
		if err != nil {
			return err
		}
		var made []string
		if !f.noPrompts {
			q := newQuestions(s)
			made, err = q.project(p)
			if err != nil {
				return err
			}
		}
		if err := checkProject(p); err != nil {
			return err
		}
		return s.finishCreate(ctx, projects, f, p, made)
	})
}

// startProject is what the questions start from.
func (s *State) startProject(ctx context.Context, projects brigade.Projects, f *createFlags, argv []string) (*brigade.Project, error) {
	p := brigade.NewProject("")
	switch {
	case f.file != "":
		read, err := s.readProjects(f.file)
		if err != nil {
			return nil, err
		}
		if len(read) != 1 {
			return nil, brigade.Errorf(brigade.CodeUsage, "%s holds %d projects", f.file, len(read)).WithHint("brig project apply -f takes any number")
		}
		p = projectfile.Keep(nil, read[0])
	case f.from != "":
		stored, err := findProject(ctx, projects, f.from)
		if err != nil {
			return nil, err
		}
		p = stored
	}
	if len(argv) == 1 {
		rename(p, argv[0])
	}
	return p, nil
}

// rename gives p another name, and what follows from it.
func rename(p *brigade.Project, name string) {
	if name == p.Name {
		return
	}
	if p.Repository == "" || p.Repository == p.Name {
		p.Repository = name
	}
	p.Name, p.ID = name, brigade.ProjectID(name)
}

// checkProject reports what is wrong with a project's values.
func checkProject(p *brigade.Project) error {
	if err := projectfile.CheckValues(p); err != nil {
		return err
	}
	return intake.Check(p)
}

func (s *State) finishCreate(ctx context.Context, projects brigade.Projects, f *createFlags, p *brigade.Project, made []string) error {
	stored, err := projects.Project(ctx, p.ID)
	exists := err == nil
	switch {
	case err != nil && brigade.CodeOf(err) != brigade.CodeNotFound:
		return err
	case exists && !f.replace && !f.dryRun:
		return brigade.Errorf(brigade.CodeConflict, "there is a project %q already", p.Name).WithHint("add -r to replace it, or use brig project apply")
	}
	if f.out != "" {
		if err := writeSecretFile(f.out, p); err != nil {
			return err
		}
	}
	if f.dryRun {
		return s.writeYAML(p, false)
	}
	if err := projects.PutProject(ctx, p); err != nil {
		return err
	}
	done := "Created"
	if exists {
		done = "Replaced"
	}
	fmt.Fprintf(s.Stdout, "%s %s (%s)\n", done, tui.Clean(p.Name, false), p.ID)
	if exists {
		s.showChanges(projectfile.Diff(stored, p))
	}
	for _, line := range made {
		fmt.Fprintln(s.Stdout, line)
	}
	if len(made) > 0 {
		fmt.Fprintln(s.Stdout, "Keep what was made for you: it is not shown again.")
	}
	return nil
}

// writeSecretFile writes v1's Secret, readable by its owner only, in place of
// what is there.
func writeSecretFile(name string, p *brigade.Project) error {
	secret, err := projectfile.ToSecret(p, p.Kubernetes.Namespace)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(secret, "", "  ")
	if err != nil {
		return fmt.Errorf("write project %s as JSON: %w", p.Name, err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "the file %s cannot be written: %w", name, err)
	}
	_ = file.Chmod(0o600) // of a file that was there; not everywhere possible
	_, err = file.Write(append(text, '\n'))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// newSecret makes a secret of 24 letters and digits, more than 120 bits.
func newSecret() string { return strings.ToLower(rand.Text()[:24]) }
