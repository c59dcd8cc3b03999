package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/script/npm"
)

// dependencies installs a script's npm packages: those of brigade.json, and of
// package.json those that the script itself imports. A package.json may belong
// to the program that the pipeline builds and name a thousand others.
type dependencies struct {
	opt Options
	// strangers are the projects of a server: what they bring along, such as
	// an .npmrc, sees nothing of the server's environment, and trees are
	// copies, so that no script changes what another one loads.
	strangers bool
}

var _ dispatch.Dependencies = (*dependencies)(nil)

func (a *App) dependencies(strangers bool) dispatch.Dependencies {
	return &dependencies{opt: a.opt, strangers: strangers}
}

// Install implements dispatch.Dependencies.
func (d *dependencies) Install(ctx context.Context, req dispatch.DependencyRequest) (string, error) {
	manifest, err := d.manifest(req)
	if err != nil || manifest == nil {
		return "", err
	}
	installer, err := d.installer()
	if err != nil {
		return "", err
	}
	tree, err := installer.Install(ctx, npm.Request{
		Dir: req.Dir, Manifest: manifest, Frozen: d.opt.Frozen, Offline: d.opt.Offline,
		Progress: d.progress(),
	})
	if err != nil {
		return "", err
	}
	for _, w := range tree.Warnings {
		req.Notice("npm: " + w)
	}
	return tree.Dir, nil
}

func (d *dependencies) installer() (*npm.Installer, error) {
	if !d.strangers {
		return NewInstaller(d.opt.Dirs, d.opt.Environ)
	}
	opt := npmOptions(d.opt.Dirs, d.opt.Environ)
	opt.Copy = true
	for key := range opt.Env {
		name := strings.ToLower(key)
		if !strings.HasPrefix(name, "npm_config_") && !strings.HasSuffix(name, "_proxy") {
			delete(opt.Env, key)
		}
	}
	return npm.New(opt)
}

func (d *dependencies) progress() func(npm.Progress) {
	if d.opt.DependencyProgress == nil {
		return nil
	}
	return func(p npm.Progress) {
		d.opt.DependencyProgress("installing dependencies", int64(p.Done), int64(p.Total))
	}
}

// bundledByV1 are packages that scripts of Brigade v1 found without asking for
// them, because v1's own worker used them, at versions of its time.
var bundledByV1 = map[string]string{
	"@kubernetes/client-node": "0.10.2",
	"js-yaml":                 "3.14.1",
	"lodash":                  "4.17.21",
	"request":                 "2.88.2",
	"shelljs":                 "0.8.5",
	"ulid":                    "2.3.0",
	"underscore":              "1.13.6",
	"uuid":                    "3.4.0",
}

// manifest is what to install, or nil for nothing: what the script declares,
// and of what v1's worker brought along that which it imports.
func (d *dependencies) manifest(req dispatch.DependencyRequest) (*npm.Manifest, error) {
	m, err := d.declared(req)
	if err != nil {
		return nil, err
	}
	for name := range imports(req.Script) {
		version, bundled := bundledByV1[name]
		if !bundled || m != nil && m.Dependencies[name] != "" || hasModule(req.Dir, name) {
			continue
		}
		if m == nil {
			m = &npm.Manifest{}
		}
		if m.Dependencies == nil {
			m.Dependencies = map[string]string{}
		}
		m.Dependencies[name] = version
		req.Notice(fmt.Sprintf("the script imports %s without declaring it: %s, as Brigade v1 had, is installed; name it in brigade.json", name, version))
	}
	return m, nil
}

// hasModule reports whether the files bring the package along.
func hasModule(dir, name string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(name)))
	return err == nil
}

// declared is what brigade.json or package.json names.
func (d *dependencies) declared(req dispatch.DependencyRequest) (*npm.Manifest, error) {
	if strings.TrimSpace(req.Config) != "" {
		m, err := npm.ParseManifest("brigade.json", []byte(req.Config))
		if err != nil || len(m.Dependencies) == 0 {
			return nil, err
		}
		return m, nil
	}
	if req.Dir == "" {
		return nil, nil
	}
	wanted := imports(req.Script)
	if len(wanted) == 0 {
		return nil, nil
	}
	m, err := npm.ReadManifest(req.Dir, false)
	if err != nil {
		return nil, unlessMissing(err)
	}
	for name := range m.Dependencies {
		if !wanted[name] {
			delete(m.Dependencies, name)
		}
	}
	if len(m.Dependencies) == 0 {
		return nil, nil
	}
	return m, nil
}

func unlessMissing(err error) error {
	if errors.Is(err, &brigade.Error{Code: brigade.CodeNotFound}) {
		return nil
	}
	return err
}

var importPattern = lazyregexp.New(`(?:\brequire\s*\(\s*|\bfrom\s*|\bimport\s*\(?\s*)["']([^"'\n]+)["']`)

// imports are the packages that a script may import: a rough reading that
// takes comments for code, which does no harm here.
func imports(script string) map[string]bool {
	names := map[string]bool{}
	for _, m := range importPattern.FindAllStringSubmatch(script, -1) {
		spec := m[1]
		if strings.HasPrefix(spec, ".") || strings.HasPrefix(spec, "/") || strings.Contains(spec, ":") {
			continue
		}
		parts := strings.SplitN(spec, "/", 3)
		name := parts[0]
		if strings.HasPrefix(name, "@") && len(parts) > 1 {
			name += "/" + parts[1]
		}
		if !npm.BuiltIn(name) {
			names[name] = true
		}
	}
	return names
}

// NewInstaller returns an npm installer with the user's npm configuration.
func NewInstaller(dirs Dirs, environ []string) (*npm.Installer, error) {
	return npm.New(npmOptions(dirs, environ))
}

func npmOptions(dirs Dirs, environ []string) npm.Options {
	env := map[string]string{}
	for _, pair := range environ {
		if k, v, ok := strings.Cut(pair, "="); ok {
			env[k] = v
		}
	}
	return npm.Options{Cache: packageCache(dirs), Home: dirs.Home, Env: env}
}

func packageCache(dirs Dirs) string { return filepath.Join(dirs.Cache, "npm") }

// ForgetDependencies removes the npm packages from the cache that no build has
// used since before.
func ForgetDependencies(dirs Dirs, before time.Time) error {
	return npm.Prune(packageCache(dirs), before)
}
