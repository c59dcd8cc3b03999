package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3"
)

// moduleObject makes the module object of a file, with its require.
func (l *loader) moduleObject(m *module, parent *module) *goja.Object {
	vm := l.e.vm
	obj := vm.NewObject()
	_ = obj.Set("id", m.id)
	_ = obj.Set("path", filepath.Dir(m.file))
	_ = obj.Set("exports", vm.NewObject())
	_ = obj.Set("filename", m.file)
	_ = obj.Set("loaded", false)
	_ = obj.Set("children", vm.NewArray())
	_ = obj.Set("paths", l.nodeModules(m.dir))
	if parent != nil {
		_ = obj.Set("parent", parent.object)
		if children, ok := parent.object.Get("children").(*goja.Object); ok {
			if push, ok := goja.AssertFunction(children.Get("push")); ok {
				_, _ = push(children, obj)
			}
		}
	} else {
		_ = obj.Set("parent", goja.Null())
	}
	m.object = obj
	l.e.define(obj, "require", l.requireFunction(m))
	return obj
}

// requireFunction makes require for the code of m.
func (l *loader) requireFunction(m *module) goja.Value {
	vm := l.e.vm
	require := vm.ToValue(func(call goja.FunctionCall) goja.Value {
		return l.require(l.specifier(call), m)
	}).(*goja.Object)
	l.e.define(require, "name", vm.ToValue("require"))
	resolve := vm.ToValue(func(call goja.FunctionCall) goja.Value {
		name := l.specifier(call)
		if l.public(name) != nil {
			return vm.ToValue(name)
		}
		file, err := l.resolve(name, m)
		if err != nil {
			panic(l.jsError(err, name, m))
		}
		return vm.ToValue(file)
	}).(*goja.Object)
	_ = resolve.Set("paths", func(call goja.FunctionCall) goja.Value {
		if l.public(call.Argument(0).String()) != nil {
			return goja.Null()
		}
		return vm.ToValue(l.nodeModules(m.dir))
	})
	_ = require.Set("resolve", resolve)
	_ = require.Set("cache", l.cache)
	_ = require.Set("extensions", vm.NewObject())
	var main goja.Value
	switch {
	case m.main:
		main = m.object
	case l.main != nil:
		main = l.main
	default:
		main = goja.Undefined()
	}
	_ = require.Set("main", main)
	return require
}

// public returns the built-in module that scripts import by that name.
func (l *loader) public(name string) *builtin {
	if b := l.builtins[name]; b != nil && !b.module.Internal {
		return b
	}
	return nil
}

func (l *loader) specifier(call goja.FunctionCall) string {
	name, ok := call.Argument(0).Export().(string)
	if !ok || name == "" {
		panic(l.e.vm.NewTypeError("The name of a module must be a string that is not empty, not %s", call.Argument(0)))
	}
	return name
}

func (l *loader) require(name string, m *module) goja.Value {
	if b := l.public(name); b != nil {
		return l.requireBuiltin(b)
	}
	file, err := l.resolve(name, m)
	if err != nil {
		panic(l.jsError(err, name, m))
	}
	return l.load(file, m)
}

// nodeModules lists where packages for files in dir are looked for: upward
// below the roots, then Packages.
func (l *loader) nodeModules(dir string) []string {
	var list []string
	for at := dir; l.allowed(at); at = filepath.Dir(at) {
		if filepath.Base(at) != "node_modules" {
			list = append(list, filepath.Join(at, "node_modules"))
		} else if at == l.packages {
			list = append(list, at)
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	if l.packages != "" && !contains(list, l.packages) {
		list = append(list, l.packages)
	}
	return list
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// allowed reports whether a path is below one of the roots.
func (l *loader) allowed(path string) bool {
	for _, root := range l.roots {
		if within(root, path) {
			return true
		}
	}
	return false
}

// errNotFound is the error of resolve for a module that does not exist.
type errNotFound struct{ reason string }

func (e *errNotFound) Error() string { return e.reason }

// jsError makes the exception of a require that failed.
func (l *loader) jsError(err error, name string, m *module) goja.Value {
	var missing *errNotFound
	if errors.As(err, &missing) {
		return l.notFound(name, m)
	}
	return l.e.errorToJS(err)
}

// notFound makes the exception about a module that does not exist. Unhandled,
// it ends as an error of CodeModule that says how to add the module.
func (l *loader) notFound(name string, m *module) goja.Value {
	message := fmt.Sprintf("Cannot find module '%s'", name)
	var from []any
	if m != nil {
		from = append(from, m.file)
		message += "\nRequire stack:\n- " + l.show(m.file)
	}
	obj, err := l.e.vm.New(l.e.errorClass, l.e.vm.ToValue(message))
	if err != nil {
		panic(err)
	}
	_ = obj.Set("code", "MODULE_NOT_FOUND")
	_ = obj.Set("requireStack", l.e.vm.NewArray(from...))
	noun := "module"
	if isPath(name) {
		noun = "file or directory"
	}
	l.e.remember(obj, &brigade.Error{Code: brigade.CodeModule, Message: fmt.Sprintf("there is no %s %q", noun, name), Hint: l.hint(name, m)})
	return obj
}

// hint says what to do about a module that was not found.
func (l *loader) hint(name string, m *module) string {
	if isPath(name) {
		return l.pathHint(name, m)
	}
	if near := nearest(name, l.names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if strings.HasPrefix(name, "node:") {
		return "this module of Node is not available; there are: " + strings.Join(l.nodeNames(), ", ")
	}
	pkg, _ := splitPackage(name)
	return fmt.Sprintf(`add "%s" with its version to the dependencies in brigade.json, then run: brig install`, pkg)
}

func (l *loader) pathHint(name string, m *module) string {
	dir := l.root
	if m != nil {
		dir = m.dir
	}
	if l.root == "" {
		return "the script has no directory of its own here, so that it cannot import files"
	}
	target := filepath.Join(dir, filepath.FromSlash(name))
	if !l.allowed(target) {
		return "files outside the project's directory cannot be imported"
	}
	var names []string
	entries, err := os.ReadDir(filepath.Dir(target))
	if err == nil {
		for _, entry := range entries {
			names = append(names, entry.Name(), strings.TrimSuffix(entry.Name(), filepath.Ext(entry.Name())))
		}
	}
	if near := nearest(filepath.Base(target), names); near != "" {
		return fmt.Sprintf("did you mean %q?", strings.TrimSuffix(name, filepath.Base(target))+near)
	}
	return fmt.Sprintf("paths start from %s", dir)
}

func (l *loader) nodeNames() []string {
	var names []string
	for name := range l.builtins {
		if node, ok := strings.CutPrefix(name, "node:"); ok {
			names = append(names, node)
		}
	}
	sort.Strings(names)
	return names
}

// nearest returns the candidate that differs from name by at most two letters,
// or in nothing but case, and "" when there is none.
func nearest(name string, candidates []string) string {
	best, found := 3, ""
	for _, c := range candidates {
		if c == "" || c == name {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d < best && d*3 <= len(name) {
			best, found = d, c
		}
	}
	return found
}

// distance counts the letters to change, add, drop or swap to get from a to b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > 2 || len(y)-len(x) > 2 || len(x) > 200 {
		return 3
	}
	var before []int
	last := make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
