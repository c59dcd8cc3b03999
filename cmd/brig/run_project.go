package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/source"
)

// project is the stored one of that name, or one made up for this build, with
// the secrets and permissions that the flags give.
func (s *State) project(f *runFlags, name string, opt app.Options) (*brigade.Project, error) {
	p, err := s.storedProject(name, opt)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if name == "" {
			name = localName(f, opt.Source.Dir)
		}
		p = brigade.NewProject(name)
		p.AllowPrivilegedJobs = f.allowPrivileged
	}
	if f.allowHostMounts {
		p.AllowHostMounts = true
	}
	if f.repo != "" {
		p.Repo.CloneURL = f.repo
	}
	p.Repo.InitSubmodules = p.Repo.InitSubmodules || f.submodules
	s.repoCredentials(f, p)
	secrets, err := s.secrets(f)
	if err != nil {
		return nil, err
	}
	if p.Secrets == nil {
		p.Secrets = map[string]any{}
	}
	for k, v := range secrets {
		p.Secrets[k] = v
	}
	return p, nil
}

const repoTokenVariable = "BRIGADE_REPO_AUTH_TOKEN"

// repoCredentials finds what opens the repository: what the address on the
// command line holds, the stored project's, or the environment's under the
// names that v1's workers have.
func (s *State) repoCredentials(f *runFlags, p *brigade.Project) {
	p.Repo.Token = cmp.Or(f.repoToken, p.Repo.Token, s.Getenv(repoTokenVariable))
	p.Repo.SSHKey = cmp.Or(p.Repo.SSHKey, s.Getenv("BRIGADE_REPO_KEY"))
}

func (s *State) storedProject(name string, opt app.Options) (*brigade.Project, error) {
	if name == "" {
		return nil, nil
	}
	store, err := app.OpenStore(s.Context, opt.Dirs)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	p, err := store.Project(context.Background(), name)
	if errors.Is(err, &brigade.Error{Code: brigade.CodeNotFound}) {
		return nil, nil
	}
	return p, err
}

// localName names the project after the repository, else after the directory.
func localName(f *runFlags, dir string) string {
	if f.repo != "" {
		return repoName(f.repo)
	}
	if remote := source.Remote(dir); remote != "" {
		return repoName(remote)
	}
	return filepath.Base(dir)
}

// repoName is the owner/name of a repository's address.
func repoName(address string) string {
	address = strings.TrimSuffix(strings.TrimSuffix(address, "/"), ".git")
	if _, path, ok := strings.Cut(address, "://"); ok {
		address = path
		if user, rest, ok := strings.Cut(address, "@"); ok && !strings.Contains(user, "/") {
			address = rest
		}
	} else {
		address = strings.Replace(address, ":", "/", 1)
	}
	parts := strings.Split(address, "/")
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}

// secrets gathers --secrets-file and --secret, the latter winning.
func (s *State) secrets(f *runFlags) (map[string]any, error) {
	secrets := map[string]any{}
	if f.secretsFile != "" {
		text, err := readInput("secrets", f.secretsFile, 1<<20)
		if err != nil {
			return nil, err
		}
		if secrets, err = parseSecrets(f.secretsFile, text); err != nil {
			return nil, err
		}
	}
	for _, pair := range f.secrets {
		key, value, given := strings.Cut(pair, "=")
		if key == "" {
			return nil, brigade.Errorf(brigade.CodeUsage, "--secret has no key").WithHint("write --secret KEY to take it from the environment, or KEY=VALUE")
		}
		if !given {
			if value = s.Getenv(key); value == "" {
				return nil, brigade.Errorf(brigade.CodeUsage, "the environment has no %s for --secret %s", key, key)
			}
		}
		secrets[key] = value
	}
	return secrets, nil
}

// parseSecrets reads JSON, YAML or KEY=VALUE lines. Messages never show values.
func parseSecrets(name, text string) (map[string]any, error) {
	bad := func() error {
		return brigade.Errorf(brigade.CodeUsage, "the secrets file %s cannot be read", name).
			WithHint("write a JSON or YAML object, or lines of KEY=VALUE")
	}
	secrets := map[string]any{}
	switch filepath.Ext(name) {
	case ".json":
		if json.Unmarshal([]byte(text), &secrets) != nil {
			return nil, bad()
		}
	case ".yaml", ".yml":
		if yaml.Unmarshal([]byte(text), &secrets) != nil {
			return nil, bad()
		}
	default:
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			if json.Unmarshal([]byte(text), &secrets) != nil {
				return nil, bad()
			}
			break
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
			if !ok || strings.TrimSpace(key) == "" {
				return nil, bad()
			}
			secrets[strings.TrimSpace(key)] = unquote(strings.TrimSpace(value))
		}
	}
	return secrets, nil
}

func unquote(v string) string {
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		return v[1 : n-1]
	}
	return v
}
