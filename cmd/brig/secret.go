package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
)

// maxSecret bounds a secret's value, in bytes: more does not fit a Secret.
const maxSecret = 1 << 20

func newSecretCommand(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "secret", Short: "Set the secrets of a project", GroupID: "work",
		Long: `Set the secrets of a project. Scripts see them as project.secrets.

Values come from standard input or a file, never from the command line, where
other users of the machine could see them. They are never printed.`,
		Example: "  brig secret set acme/app DEPLOY_TOKEN < token.txt\n  brig secret list acme/app\n  brig secret unset acme/app DEPLOY_TOKEN",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretSet(s), newSecretUnset(s), newSecretList(s))
	return cmd
}

// settingHelp explains --setting.
const settingHelp = "KEY is a setting of the project that is a secret: sharedSecret, repo.token …"

type secretFlags struct {
	file                    string
	asJSON, setting, random bool
}

func newSecretSet(s *State) *cobra.Command {
	var f secretFlags
	cmd := &cobra.Command{
		Use: "set PROJECT KEY", Short: "Set a secret, from standard input or a file",
		Long: `Set a secret of a project. Its value is read from standard input, where one line
break at the end is taken off, or with -f from a file as it is.`,
		Example: `  brig secret set acme/app DEPLOY_TOKEN < token.txt
  brig secret set acme/app CONFIG -f config.json --json     a nested value
  brig secret set acme/app repo.sshKey --setting -f id_ed25519
  brig secret set acme/app sharedSecret --setting --generate`,
		Args: args(cobra.ExactArgs(2)), ValidArgsFunction: s.completeSecrets,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if err := exclusive(cmd, [2]string{"file", "generate"}, [2]string{"json", "generate"}, [2]string{"json", "setting"}); err != nil {
				return err
			}
			return s.setSecret(&f, argv[0], argv[1])
		},
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "`file` with the value")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "the value is JSON, such as an object")
	cmd.Flags().BoolVar(&f.setting, "setting", false, settingHelp)
	cmd.Flags().BoolVar(&f.random, "generate", false, "make a value, and show it once")
	return cmd
}

func (s *State) setSecret(f *secretFlags, name, key string) error {
	if before, _, found := strings.Cut(key, "="); found {
		return brigade.Errorf(brigade.CodeUsage, "the value of a secret does not belong on the command line").
			WithHint("lists of processes and the shell's history show it; write: brig secret set %s %s < FILE", name, before)
	}
	if key == "" {
		return brigade.Errorf(brigade.CodeUsage, "the secret has no name")
	}
	return s.changeSecrets(name, func(p *brigade.Project) error {
		if f.setting { // an unknown one is reported before somebody types
			if _, err := settingOf(p, key); err != nil {
				return err
			}
		}
		value, err := s.secretValue(f, key)
		if err != nil {
			return err
		}
		if value == projectfile.Placeholder {
			return brigade.Errorf(brigade.CodeInvalid, "%s stands for secrets that are not shown, and is none", projectfile.Placeholder)
		}
		if f.setting {
			of, err := settingOf(p, key)
			if err != nil {
				return err
			}
			*of = value
			if err := projectfile.CheckValues(p); err != nil {
				return err
			}
		} else if err := putSecret(p, key, value, f.asJSON); err != nil {
			return err
		}
		fmt.Fprintf(s.Stderr, "Set %s of %s\n", tui.Clean(key, false), tui.Clean(p.Name, false))
		if f.random {
			fmt.Fprintln(s.Stdout, value)
		}
		return nil
	})
}

func putSecret(p *brigade.Project, key, value string, asJSON bool) error {
	var v any = value
	if asJSON && json.Unmarshal([]byte(value), &v) != nil || v == nil { // its error may show the value
		return brigade.Errorf(brigade.CodeUsage, "the value is not JSON")
	}
	if p.Secrets == nil {
		p.Secrets = map[string]any{}
	}
	p.Secrets[key] = v
	return nil
}

// secretValue reads or makes a value; it is never empty.
func (s *State) secretValue(f *secretFlags, key string) (value string, err error) {
	switch {
	case f.random:
		return newSecret(), nil
	case f.file != "" && f.file != "-":
		value, err = readInput("secret", f.file, maxSecret)
	case s.InputTerminal():
		value, err = newQuestions(s).secret("Value of " + key)
	default:
		value, err = s.fileOrStdin("secret", "-", maxSecret)
		value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	}
	if err == nil && value == "" {
		err = brigade.Errorf(brigade.CodeUsage, "the value of %s is empty", key).WithHint("give it on standard input, or remove the secret with brig secret unset")
	}
	return value, err
}

// settingOf is the setting of that path, which is a secret.
func settingOf(p *brigade.Project, path string) (*string, error) {
	var paths []string
	for _, f := range projectfile.SecretFields() {
		if f.Path == path {
			return f.Of(p), nil
		}
		paths = append(paths, f.Path)
	}
	return nil, brigade.Errorf(brigade.CodeUsage, "there is no setting %q that is a secret", path).WithHint("use one of %s", strings.Join(paths, ", "))
}

// changeSecrets reads a project, applies change and writes it back.
func (s *State) changeSecrets(name string, change func(*brigade.Project) error) error {
	return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
		p, err := findProject(ctx, projects, name)
		if err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		return projects.PutProject(ctx, p)
	})
}

func newSecretUnset(s *State) *cobra.Command {
	var setting bool
	cmd := &cobra.Command{
		Use: "unset PROJECT KEY...", Short: "Remove secrets",
		Example: "  brig secret unset acme/app DEPLOY_TOKEN\n  brig secret unset acme/app repo.token --setting",
		Args:    args(cobra.MinimumNArgs(2)), ValidArgsFunction: s.completeSecrets,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.changeSecrets(argv[0], func(p *brigade.Project) error {
				for _, key := range argv[1:] {
					if err := removeSecret(p, key, setting); err != nil {
						return err
					}
				}
				fmt.Fprintf(s.Stderr, "Removed %s of %s\n", tui.Clean(strings.Join(argv[1:], ", "), false), tui.Clean(p.Name, false))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&setting, "setting", false, settingHelp)
	return cmd
}

func removeSecret(p *brigade.Project, key string, setting bool) error {
	if setting {
		of, err := settingOf(p, key)
		if err == nil {
			*of = ""
		}
		return err
	}
	if _, ok := p.Secrets[key]; !ok {
		return brigade.NotFound("secret", key).WithHint("brig secret list %s shows their names", p.Name)
	}
	delete(p.Secrets, key)
	return nil
}

func newSecretList(s *State) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the names of secrets",
		Example: "  brig secret list acme/app\n  brig secret list acme/app -o json", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
				p, err := findProject(ctx, projects, argv[0])
				if err != nil {
					return err
				}
				return printList(s, &f, secretColumns, listSecrets(p))
			})
		},
	}
	addListFlags(cmd, s, &f, secretColumns)
	return cmd
}

// listedSecret is a secret of a project, without its value.
type listedSecret struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // secret: scripts see it; setting: the product uses it
}

var secretColumns = columns[listedSecret]{
	name: func(v listedSecret) string { return v.Name },
	all: []column[listedSecret]{
		{head: "NAME", of: func(_ printing, v listedSecret) string { return v.Name }},
		{head: "KIND", of: func(_ printing, v listedSecret) string { return v.Kind }},
	},
}

func listSecrets(p *brigade.Project) []listedSecret {
	var list []listedSecret
	for _, name := range projectfile.SecretNames(p) {
		if key, ok := strings.CutPrefix(name, "secrets."); ok {
			list = append(list, listedSecret{key, "secret"})
		} else {
			list = append(list, listedSecret{name, "setting"})
		}
	}
	slices.SortStableFunc(list, func(a, b listedSecret) int { return strings.Compare(a.Kind, b.Kind) })
	return list
}

// completeSecrets completes a project, then names of its secrets.
func (s *State) completeSecrets(cmd *cobra.Command, argv []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(argv) == 0 {
		return s.completeProjects(cmd, argv, word)
	}
	var names []string
	_ = s.withProjects(func(ctx context.Context, projects brigade.Projects) error {
		p, err := projects.Project(ctx, argv[0])
		if err != nil {
			return err
		}
		for _, name := range projectfile.SecretNames(p) {
			if key, ok := strings.CutPrefix(name, "secrets."); ok {
				names = append(names, key)
			}
		}
		return nil
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
