package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// loader is require: it finds, compiles and runs modules, each once.
type loader struct {
	e        *Engine
	root     string   // with symbolic links resolved, "" for none
	packages string   // likewise
	roots    []string // root and packages: files outside are not loaded
	builtins map[string]*builtin
	names    []string // of the built-in modules, as listed
	cache    *goja.Object
	main     *goja.Object
	pkgs     map[string]*packageJSON // by directory
	sources  map[string]string       // by the name in stack traces
	esm      *goja.Symbol            // marks the exports of ES modules
	pending  map[string]*goja.Object // promises of modules that wait, by file
}

// builtin is an embedded module of one script.
type builtin struct {
	module  modules.Module
	object  *goja.Object // its module object, nil until it is loaded
	running bool
}

// entry is what the main script's run came to.
type entry struct {
	pending *goja.Object // a promise when it waits at its top level
}

func newLoader(e *Engine) *loader {
	l := &loader{
		e:        e,
		builtins: map[string]*builtin{},
		cache:    e.vm.NewObject(),
		pkgs:     map[string]*packageJSON{},
		sources:  map[string]string{},
		esm:      goja.NewSymbol("brigade.esm"),
		pending:  map[string]*goja.Object{},
	}
	l.root, l.packages = realDir(e.opts.Root), realDir(e.opts.Packages)
	for _, dir := range []string{l.root, l.packages} {
		if dir != "" {
			l.roots = append(l.roots, dir)
		}
	}
	for _, m := range e.opts.Modules {
		l.addBuiltin(m)
	}
	l.addBuiltin(l.moduleModule())
	return l
}

// realDir is dir as an absolute path without symbolic links.
func realDir(dir string) string {
	if dir == "" {
		return ""
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return filepath.Clean(dir)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	return abs
}

func (l *loader) addBuiltin(m modules.Module) {
	b := &builtin{module: m}
	add := func(name string) {
		if _, taken := l.builtins[name]; !taken {
			l.builtins[name] = b
		}
	}
	for _, name := range m.Names {
		if !m.Internal {
			l.names = append(l.names, name)
		}
		add(name)
		if m.Node {
			add("node:" + name)
		}
	}
	for variable, export := range m.Globals {
		l.e.lazyGlobal(variable, func() goja.Value {
			exports := l.requireBuiltin(b)
			if export == "" {
				return exports
			}
			if obj, ok := exports.(*goja.Object); ok {
				return obj.Get(export)
			}
			return goja.Undefined()
		})
	}
}

// loadedBuiltin returns the exports of a built-in module that is loaded.
func (l *loader) loadedBuiltin(name string) *goja.Object {
	b := l.builtins[name]
	if b == nil || b.object == nil || b.running {
		return nil
	}
	exports, _ := b.object.Get("exports").(*goja.Object)
	return exports
}

// requireBuiltin returns the exports of a built-in module. It panics with a
// JavaScript exception when the module does not load.
func (l *loader) requireBuiltin(b *builtin) goja.Value {
	if b.object != nil {
		return b.object.Get("exports")
	}
	e := l.e
	name := b.module.Names[0]
	u, err := e.cache.compileBuiltin(name, b.module.Source)
	if err != nil {
		panic(e.errorToJS(err))
	}
	native := goja.Undefined()
	if b.module.Native != nil {
		native = e.toJS(b.module.Native(e.env))
	}
	b.object, b.running = e.vm.NewObject(), true
	exports := e.vm.NewObject()
	_ = b.object.Set("id", name)
	_ = b.object.Set("exports", exports)
	defer func() {
		b.running = false
		if x := recover(); x != nil {
			b.object = nil
			panic(x)
		}
	}()
	l.run(u, exports, e.vm.ToValue(l.builtinRequire), b.object, native, e.abilities())
	return b.object.Get("exports")
}

// builtinRequire is require as built-in modules see it: only their own kind.
func (l *loader) builtinRequire(call goja.FunctionCall) goja.Value {
	name := call.Argument(0).String()
	if b := l.builtins[name]; b != nil {
		return l.requireBuiltin(b)
	}
	panic(l.notFound(name, nil))
}

// run calls a module's function with those arguments.
func (l *loader) run(u *unit, args ...goja.Value) {
	v, err := l.e.vm.RunProgram(u.program)
	if err == nil {
		function, _ := goja.AssertFunction(v)
		_, err = function(args[0], args...)
	}
	if err != nil {
		panic(err)
	}
}

// runMain runs the main script.
func (l *loader) runMain(s Script) (result entry, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = l.e.crashed(x)
		}
	}()
	file, base := l.place(s.Name)
	u, err := l.e.cache.compileFile(s.Name, s.Source, l.typeModule(base, s.Name))
	if err != nil {
		return entry{}, err
	}
	l.note(s.Name, s.Source)
	m := &module{l: l, id: ".", file: file, dir: base, main: true}
	m.object = l.moduleObject(m, nil)
	l.main = m.object
	if err := l.cache.Set(file, m.object); err != nil {
		return entry{}, err
	}
	if err := l.execute(m, u); err != nil {
		return entry{}, l.e.failed(err)
	}
	return entry{pending: m.pending}, nil
}

// place is the main script's absolute file name, and the directory its
// relative imports start from: its own below Root, else Root.
func (l *loader) place(name string) (file, base string) {
	file = filepath.FromSlash(name)
	if !filepath.IsAbs(file) {
		file = filepath.Join(l.root, file)
		if l.root == "" {
			file = string(filepath.Separator) + file
		}
	}
	dir := filepath.Dir(file)
	if real := realDir(dir); l.root == "" || within(l.root, real) {
		return filepath.Join(real, filepath.Base(file)), real
	}
	return file, l.root
}

// within reports whether path is dir or below it.
func within(dir, path string) bool {
	if dir == "" {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// load loads a file that was resolved, from the cache when it is there.
func (l *loader) load(file string, parent *module) goja.Value {
	if known, ok := l.cache.Get(file).(*goja.Object); ok {
		return known.Get("exports")
	}
	data, err := l.read(file)
	if err != nil {
		panic(l.e.errorToJS(err))
	}
	m := &module{l: l, id: file, file: file, dir: filepath.Dir(file)}
	m.object = l.moduleObject(m, parent)
	_ = l.cache.Set(file, m.object)
	defer func() {
		if x := recover(); x != nil {
			_ = l.cache.Delete(file)
			panic(x)
		}
	}()
	if filepath.Ext(file) == ".json" {
		_ = m.object.Set("exports", l.parseJSON(file, data))
		_ = m.object.Set("loaded", true)
		return m.object.Get("exports")
	}
	name := l.show(file)
	u, err := l.e.cache.compileFile(name, data, l.typeModule(m.dir, name))
	if err != nil {
		panic(l.syntaxToJS(err))
	}
	l.note(name, data)
	if err := l.execute(m, u); err != nil {
		panic(err)
	}
	return m.object.Get("exports")
}

// read returns the text of a file, which has to be below one of the roots.
func (l *loader) read(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", l.show(file), err)
	}
	if info.Size() > brigade.MaxScriptBytes {
		return "", checkSource(l.show(file), strings.Repeat(" ", int(min(info.Size(), brigade.MaxScriptBytes+1))))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", l.show(file), err)
	}
	return string(data), nil
}

func (l *loader) parseJSON(file, text string) goja.Value {
	if err := checkJSON(text); err != nil {
		panic(l.e.errorToJS(fmt.Errorf("%s: %w", l.show(file), err)))
	}
	parse, _ := goja.AssertFunction(l.e.vm.Get("JSON").(*goja.Object).Get("parse"))
	v, err := parse(goja.Undefined(), l.e.vm.ToValue(strings.TrimPrefix(text, "\ufeff")))
	if err != nil {
		var ex *goja.Exception
		if errors.As(err, &ex) {
			if obj, _ := ex.Value().(*goja.Object); obj != nil {
				_ = obj.Set("message", l.show(file)+": "+obj.Get("message").String())
			}
		}
		panic(err)
	}
	return v
}

// syntaxToJS makes a SyntaxError of a mistake in a file.
func (l *loader) syntaxToJS(err error) goja.Value {
	obj, newErr := l.e.vm.New(l.e.vm.Get("SyntaxError"), l.e.vm.ToValue(err.Error()))
	if newErr != nil {
		panic(newErr)
	}
	l.e.remember(obj, err)
	return obj
}

// show is a file's name as stack traces give it: relative to the script's root.
func (l *loader) show(file string) string {
	if l.root != "" && within(l.root, file) {
		if rel, err := filepath.Rel(l.root, file); err == nil {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.ToSlash(file)
}

// note remembers a source for code frames, and prepares what it uses.
func (l *loader) note(name, source string) {
	l.sources[name] = source
	if usesLastMatch(source) {
		l.e.rememberMatches()
	}
}
