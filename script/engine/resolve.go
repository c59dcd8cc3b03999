package engine

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// extensions are tried in this order for a path without one.
var extensions = []string{".js", ".json", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".tsx", ".jsx"}

// conditions are those of package exports that hold for require here. "import"
// is only taken where nothing else matches.
var conditions = map[string]bool{"brigade": true, "require": true, "node": true, "default": true, "module-sync": false}

// packageJSON is what resolution needs of one.
type packageJSON struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	Main    any             `json:"main"`
	Exports json.RawMessage `json:"exports"`
	Imports json.RawMessage `json:"imports"`

	dir string
}

// isPath reports whether a specifier is a path and not a package.
func isPath(name string) bool {
	return name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || filepath.IsAbs(name) ||
		strings.HasPrefix(name, "/")
}

// splitPackage splits a specifier into the package's name and the path within.
func splitPackage(name string) (pkg, sub string) {
	parts := strings.SplitN(name, "/", 3)
	n := 1
	if strings.HasPrefix(name, "@") && len(parts) > 1 {
		n = 2
	}
	pkg = strings.Join(parts[:n], "/")
	return pkg, strings.TrimPrefix(strings.TrimPrefix(name, pkg), "/")
}

// resolve finds the file that name means for the module m, as Node does:
// paths, "#imports" of the package, the package itself, then node_modules.
func (l *loader) resolve(name string, m *module) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", &errNotFound{"a module's name has no NUL"}
	}
	name = fromFileURL(name)
	if isPath(name) {
		return l.resolvePath(name, m)
	}
	if strings.HasPrefix(name, "#") {
		return l.resolveImports(name, m)
	}
	pkg, sub := splitPackage(name)
	if own := l.packageOf(m.dir); own != nil && own.Name == pkg && len(own.Exports) > 0 {
		return l.resolveExports(own, sub)
	}
	for _, dir := range l.nodeModules(m.dir) {
		at := filepath.Join(dir, filepath.FromSlash(pkg))
		if !isDir(at) {
			if sub == "" && !strings.HasPrefix(pkg, "@") {
				if file, ok := l.asFile(at); ok {
					return file, nil
				}
			}
			continue
		}
		if p := l.readPackage(at); p != nil && len(p.Exports) > 0 {
			return l.resolveExports(p, sub)
		}
		if file, ok := l.asFileOrDir(filepath.Join(at, filepath.FromSlash(sub))); ok {
			return file, nil
		}
	}
	return "", &errNotFound{"no such package"}
}

// fromFileURL is the path of a file: URL; other names stay as they are.
func fromFileURL(name string) string {
	if !strings.HasPrefix(name, "file:") {
		return name
	}
	u, err := url.Parse(name)
	if err != nil || u.Path == "" {
		return name
	}
	path := u.Path
	if len(path) > 2 && path[2] == ':' { // /C:/…
		path = path[1:]
	}
	return filepath.FromSlash(path)
}

func (l *loader) resolvePath(name string, m *module) (string, error) {
	if filepath.IsAbs(name) || strings.HasPrefix(name, "/") {
		if file, ok := l.asFileOrDir(filepath.FromSlash(name)); ok {
			return file, nil
		}
		return "", &errNotFound{"no such file"}
	}
	if l.root == "" && len(l.roots) == 0 {
		return "", &errNotFound{"there is no directory"}
	}
	dirs := []string{m.dir}
	if m.main && l.root != "" && m.dir != l.root {
		dirs = append(dirs, l.root)
	}
	for _, dir := range dirs {
		target := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") || name == "." || name == ".." || strings.HasSuffix(name, "/.") || strings.HasSuffix(name, "/..") {
			if file, ok := l.asDir(target); ok {
				return file, nil
			}
			continue
		}
		if file, ok := l.asFileOrDir(target); ok {
			return file, nil
		}
	}
	return "", &errNotFound{"no such file"}
}

func (l *loader) asFileOrDir(path string) (string, bool) {
	if file, ok := l.asFile(path); ok {
		return file, true
	}
	return l.asDir(path)
}

// asFile finds a file by its exact name, with an extension added, or with
// TypeScript's in the place of the JavaScript one that the import names.
func (l *loader) asFile(path string) (string, bool) {
	if file, ok := l.real(path); ok {
		return file, true
	}
	for _, ext := range extensions {
		if file, ok := l.real(path + ext); ok {
			return file, true
		}
	}
	for from, to := range map[string]string{".js": ".ts", ".mjs": ".mts", ".cjs": ".cts"} {
		if base, ok := strings.CutSuffix(path, from); ok {
			if file, ok := l.real(base + to); ok {
				return file, true
			}
		}
	}
	return "", false
}

func (l *loader) asDir(path string) (string, bool) {
	if !isDir(path) || !l.allowed(path) && !l.allowedReal(path) {
		return "", false
	}
	if p := l.readPackage(path); p != nil {
		if main, _ := p.Main.(string); main != "" {
			target := filepath.Join(path, filepath.FromSlash(main))
			if file, ok := l.asFile(target); ok {
				return file, true
			}
			if file, ok := l.asFile(filepath.Join(target, "index")); ok {
				return file, true
			}
		}
	}
	return l.asFile(filepath.Join(path, "index"))
}

// real returns the file behind path when that is a regular file which, with
// symbolic links resolved, lies below one of the roots.
func (l *loader) real(path string) (string, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	file, err := filepath.EvalSymlinks(path)
	if err != nil || !l.allowed(file) {
		return "", false
	}
	return file, true
}

func (l *loader) allowedReal(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	return err == nil && l.allowed(real)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readPackage returns the package.json in dir, nil when there is none.
func (l *loader) readPackage(dir string) *packageJSON {
	if p, known := l.pkgs[dir]; known {
		return p
	}
	var p *packageJSON
	if file, ok := l.real(filepath.Join(dir, "package.json")); ok {
		if data, err := l.read(file); err == nil {
			p = &packageJSON{dir: dir}
			if json.Unmarshal([]byte(strings.TrimPrefix(data, "\ufeff")), p) != nil {
				p = nil
			}
		}
	}
	if p != nil && (string(p.Exports) == "null" || string(p.Exports) == "false") {
		p.Exports = nil
	}
	l.pkgs[dir] = p
	return p
}

// packageOf returns the package that a directory belongs to.
func (l *loader) packageOf(dir string) *packageJSON {
	for at := dir; l.allowed(at) && filepath.Base(at) != "node_modules"; at = filepath.Dir(at) {
		if p := l.readPackage(at); p != nil {
			return p
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	return nil
}

func (l *loader) resolveImports(name string, m *module) (string, error) {
	p := l.packageOf(m.dir)
	if p == nil || len(p.Imports) == 0 {
		return "", &errNotFound{"the package has no imports"}
	}
	target, ok := matchExports(p.Imports, name, false)
	if !ok {
		return "", &errNotFound{"not in the package's imports"}
	}
	if !strings.HasPrefix(target, "./") {
		return l.resolve(target, &module{dir: p.dir})
	}
	return l.exported(p, name, target)
}

func (l *loader) resolveExports(p *packageJSON, sub string) (string, error) {
	key := "."
	if sub != "" {
		key = "./" + sub
	}
	target, ok := matchExports(p.Exports, key, true)
	if !ok {
		return "", &brigade.Error{
			Code:    brigade.CodeModule,
			Message: fmt.Sprintf("package %q does not export %q", p.Name, key),
			Hint:    "its package.json lists what can be imported, under exports",
		}
	}
	return l.exported(p, key, target)
}

// exported is the file of an exports target, which must lie within the package.
func (l *loader) exported(p *packageJSON, key, target string) (string, error) {
	path := filepath.Join(p.dir, filepath.FromSlash(target))
	if !strings.HasPrefix(target, "./") || !within(p.dir, path) {
		return "", &errNotFound{"the target of " + key + " is outside its package"}
	}
	if file, ok := l.real(path); ok {
		return file, nil
	}
	if file, ok := l.asFile(path); ok {
		return file, nil
	}
	return "", &errNotFound{"the file of " + key + " is missing"}
}

// matchExports finds the target for key in a package's exports or imports.
// subpaths says that a value without keys that start with a dot means ".".
func matchExports(raw json.RawMessage, key string, subpaths bool) (target string, ok bool) {
	keys, values, isObject := orderedObject(raw)
	if subpaths && (!isObject || len(keys) > 0 && !strings.HasPrefix(keys[0], ".")) {
		if key != "." {
			return "", false
		}
		return pickTarget(raw, "", 0)
	}
	for i, k := range keys {
		if k == key && !strings.Contains(k, "*") {
			return pickTarget(values[i], "", 0)
		}
	}
	type pattern struct {
		prefix, suffix string
		value          json.RawMessage
	}
	var patterns []pattern
	for i, k := range keys {
		switch before, after, star := strings.Cut(k, "*"); {
		case star:
			patterns = append(patterns, pattern{before, after, values[i]})
		case strings.HasSuffix(k, "/"): // the old way to export a folder
			patterns = append(patterns, pattern{k, "", values[i]})
		}
	}
	sort.SliceStable(patterns, func(i, j int) bool { return len(patterns[i].prefix) > len(patterns[j].prefix) })
	for _, p := range patterns {
		if len(key) > len(p.prefix)+len(p.suffix) && strings.HasPrefix(key, p.prefix) && strings.HasSuffix(key, p.suffix) {
			return pickTarget(p.value, key[len(p.prefix):len(key)-len(p.suffix)], 0)
		}
	}
	return "", false
}

// pickTarget picks the target of the first condition that holds.
func pickTarget(raw json.RawMessage, star string, depth int) (string, bool) {
	if depth > 20 || len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return "", false
		}
		if strings.HasSuffix(s, "/") {
			return s + star, true
		}
		return strings.ReplaceAll(s, "*", star), true
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return "", false
		}
		for _, item := range list {
			if s, ok := pickTarget(item, star, depth+1); ok {
				return s, true
			}
		}
	case '{':
		keys, values, _ := orderedObject(raw)
		for i, k := range keys {
			if conditions[k] {
				if s, ok := pickTarget(values[i], star, depth+1); ok {
					return s, true
				}
			}
		}
		for i, k := range keys {
			if k == "import" || k == "module" || k == "browser" {
				if s, ok := pickTarget(values[i], star, depth+1); ok {
					return s, true
				}
			}
		}
	}
	return "", false
}

// orderedObject splits a JSON object into its members, in order.
func orderedObject(raw json.RawMessage) (keys []string, values []json.RawMessage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, nil, false
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if _, err := d.Token(); err != nil {
		return nil, nil, false
	}
	for d.More() {
		k, err := d.Token()
		name, isString := k.(string)
		if err != nil || !isString {
			return nil, nil, false
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, nil, false
		}
		keys, values = append(keys, name), append(values, v)
	}
	return keys, values, true
}
