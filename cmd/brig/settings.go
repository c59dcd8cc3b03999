package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
)

// The kinds of places where commands work.
const (
	kindLocal   = "local"   // this machine's store
	kindServer  = "server"  // a server, over its API
	kindCluster = "cluster" // Brigade's objects in a Kubernetes cluster
)

// localContext is the context that is always there.
const localContext = "local"

// namedContext is a place under a name.
type namedContext struct {
	Name string `yaml:"name" json:"name"`
	Kind string `yaml:"kind" json:"kind"`

	Server   string `yaml:"server,omitempty" json:"server,omitempty"`
	CAFile   string `yaml:"caFile,omitempty" json:"caFile,omitempty"`
	Insecure bool   `yaml:"insecure,omitempty" json:"insecure,omitempty"`

	Kubeconfig  string `yaml:"kubeconfig,omitempty" json:"kubeconfig,omitempty"`
	KubeContext string `yaml:"kubeContext,omitempty" json:"kubeContext,omitempty"`
	Namespace   string `yaml:"namespace,omitempty" json:"namespace,omitempty"`
}

// where says for people where that is.
func (c namedContext) where() string {
	switch c.Kind {
	case kindServer:
		return c.Server
	case kindCluster:
		parts := []string{}
		for _, p := range [][2]string{{"namespace", c.Namespace}, {"context", c.KubeContext}, {"kubeconfig", c.Kubeconfig}} {
			if p[1] != "" {
				parts = append(parts, p[0]+" "+p[1])
			}
		}
		if len(parts) == 0 {
			return "as kubectl does"
		}
		return strings.Join(parts, ", ")
	}
	return "this machine"
}

// address names the place that a credential is for.
func (c namedContext) address() string {
	if c.Kind != kindCluster {
		return c.Server
	}
	at := url.URL{Scheme: "kubernetes", Path: "/" + c.Namespace, RawQuery: url.Values{"kubeconfig": {c.Kubeconfig}, "context": {c.KubeContext}}.Encode()}
	return at.String()
}

// settings are the contexts of a person: the file config.yaml. It holds no
// secrets.
type settings struct {
	Current  string         `yaml:"current,omitempty"`
	Contexts []namedContext `yaml:"contexts,omitempty"`
}

// credential opens one server: the file credentials.json has one per context.
type credential struct {
	Server string          `json:"server"` // for which it is; it is sent to no other
	Token  string          `json:"token,omitempty"`
	OIDC   *oidcCredential `json:"oidc,omitempty"`
}

// oidcCredential is what an OpenID provider gave.
type oidcCredential struct {
	Issuer   string    `json:"issuer"`
	ClientID string    `json:"clientID"`
	ID       string    `json:"idToken"`
	Refresh  string    `json:"refreshToken,omitempty"`
	Expires  time.Time `json:"expires"`
}

type credentials map[string]credential

// maxSettings bounds the two files, in bytes.
const maxSettings = 4 << 20

// settingsDir is where a person's settings are: BRIGADE_CONFIG_DIR, else below
// the XDG directory.
func (s *State) settingsDir() (string, error) {
	if dir := s.Getenv("BRIGADE_CONFIG_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := s.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "brigade"), nil
	}
	home, err := s.Home()
	if err != nil || home == "" {
		return "", brigade.Errorf(brigade.CodeUsage, "there is no home directory to keep contexts in").WithHint("set BRIGADE_CONFIG_DIR to a directory")
	}
	return filepath.Join(home, ".config", "brigade"), nil
}

// settings reads the contexts. Without a file there is none but the local one.
func (s *State) settings() (*settings, error) {
	dir, err := s.settingsDir()
	if err != nil {
		return &settings{}, nil //nolint:nilerr // nobody to have settings
	}
	file := filepath.Join(dir, "config.yaml")
	var v settings
	text, err := readSettings(file)
	if err == nil && text != nil {
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		if err = dec.Decode(&v); err == nil {
			err = v.check()
		}
	}
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the contexts in %s cannot be read: %w", file, err).WithHint("mend the file, or move it away")
	}
	return &v, nil
}

// readSettings reads one of the two files; nil when it is not there or empty.
func readSettings(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSettings {
		return nil, fmt.Errorf("it is larger than %d MiB", maxSettings>>20)
	}
	text, err := os.ReadFile(file)
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	return text, err
}

func (v *settings) check() error {
	seen := map[string]bool{localContext: true}
	for _, c := range v.Contexts {
		switch {
		case !contextName(c.Name):
			return fmt.Errorf("%q cannot be the name of a context", c.Name)
		case seen[c.Name]:
			return fmt.Errorf("the context %q is there twice", c.Name)
		case c.Kind != kindServer && c.Kind != kindCluster:
			return fmt.Errorf("the context %q has the kind %q", c.Name, c.Kind)
		case c.Kind == kindServer && c.Server == "":
			return fmt.Errorf("the context %q has no server", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// contextName reports whether a context can have that name.
func contextName(name string) bool {
	return name != "" && len(name) <= 64 && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@/", r)
	})
}

// context returns the one with that name.
func (v *settings) context(name string) (namedContext, error) {
	if name == localContext {
		return namedContext{Name: localContext, Kind: kindLocal}, nil
	}
	if i := v.index(name); i >= 0 {
		return v.Contexts[i], nil
	}
	return namedContext{}, brigade.NotFound("context", name).WithHint("there are: %s", strings.Join(v.names(), ", "))
}

func (v *settings) index(name string) int {
	return slices.IndexFunc(v.Contexts, func(c namedContext) bool { return c.Name == name })
}

// names are those of all contexts, the local one first.
func (v *settings) names() []string {
	names := []string{localContext}
	for _, c := range v.Contexts {
		names = append(names, c.Name)
	}
	return names
}

// put adds a context or replaces the one with its name.
func (v *settings) put(c namedContext) {
	if i := v.index(c.Name); i >= 0 {
		v.Contexts[i] = c
		return
	}
	v.Contexts = append(v.Contexts, c)
}

// credentials reads what opens servers. Messages never show what is in it.
func (s *State) credentials() (credentials, error) {
	dir, err := s.settingsDir()
	if err != nil {
		return credentials{}, nil //nolint:nilerr // nobody to have credentials
	}
	file := filepath.Join(dir, "credentials.json")
	text, err := readSettings(file)
	all := credentials{}
	if err == nil && text != nil && json.Unmarshal(text, &all) != nil {
		err = errors.New("it is not what brig login wrote")
	}
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the credentials in %s cannot be read: %w", file, err).WithHint("remove the file and log in again")
	}
	return all, nil
}

// changeSettings reads both files, has change alter them, and writes those that
// it altered, as one step against other processes of this person.
func (s *State) changeSettings(change func(v *settings, secrets credentials) error) error {
	dir, err := s.settingsDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return brigade.Errorf(brigade.CodeUsage, "the directory %s cannot be made: %w", dir, err)
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "the settings in %s cannot be changed: %w", dir, err)
	}
	defer unlock()
	v, err := s.settings()
	if err != nil {
		return err
	}
	secrets, err := s.credentials()
	if err != nil {
		return err
	}
	before, err := encodeSettings(v, secrets)
	if err != nil {
		return err
	}
	if err := change(v, secrets); err != nil {
		return err
	}
	after, err := encodeSettings(v, secrets)
	if err != nil {
		return err
	}
	for _, name := range []string{"credentials.json", "config.yaml"} { // a context never without what opens it
		if bytes.Equal(before[name], after[name]) {
			continue
		}
		err := toFile(filepath.Join(dir, name), func(f *os.File) error { // made for its owner only
			_, err := f.Write(after[name])
			if err == nil {
				err = f.Sync()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func encodeSettings(v *settings, secrets credentials) (map[string][]byte, error) {
	plain, err := yaml.Marshal(v)
	if err != nil {
		return nil, err
	}
	secret, err := json.MarshalIndent(secrets, "", "  ")
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"config.yaml": plain, "credentials.json": append(secret, '\n')}, nil
}
