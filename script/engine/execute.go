package engine

import (
	"path/filepath"
	"strings"

	"github.com/dop251/goja"
)

// module is a file that was loaded.
type module struct {
	l       *loader
	id      string
	file    string
	dir     string // where relative imports start
	main    bool
	object  *goja.Object
	pending *goja.Object
}

// execute runs a module's code, once the ES modules that it imports and that
// wait at their top level are there.
func (l *loader) execute(m *module, u *unit) error {
	waits, err := l.pendingImports(m, u)
	if err != nil {
		return err
	}
	if len(waits) == 0 {
		pending, err := l.executeNow(m, u)
		if err == nil && pending != nil {
			err = l.awaitExports(m, pending)
		}
		return err
	}
	p, resolve, reject := l.e.vm.NewPromise()
	settle := func(goja.FunctionCall) goja.Value {
		pending, err := l.executeNow(m, u)
		switch {
		case err != nil:
			err = reject(thrownValue(err))
		case pending != nil:
			err = resolve(pending)
		default:
			err = resolve(m.object.Get("exports"))
		}
		if err != nil {
			panic(err)
		}
		return goja.Undefined()
	}
	fail := func(call goja.FunctionCall) goja.Value {
		if err := reject(call.Argument(0)); err != nil {
			panic(err)
		}
		return goja.Undefined()
	}
	if err := l.then(l.all(waits), settle, fail); err != nil {
		return err
	}
	return l.awaitExports(m, l.e.vm.ToValue(p).(*goja.Object))
}

// executeNow runs a module's function. For one that awaits at its top level it
// returns the promise of its exports.
func (l *loader) executeNow(m *module, u *unit) (pending *goja.Object, err error) {
	vm := l.e.vm
	v, err := vm.RunProgram(u.program)
	if err != nil {
		return nil, err
	}
	function, _ := goja.AssertFunction(v)
	exports := vm.NewObject()
	_ = m.object.Set("exports", exports)
	_, err = function(exports, exports, m.object.Get("require"), m.object,
		vm.ToValue(m.file), vm.ToValue(filepath.Dir(m.file)), l.meta(m))
	if err != nil {
		return nil, err
	}
	_ = m.object.Set("loaded", true)
	out, _ := m.object.Get("exports").(*goja.Object)
	if out == nil {
		return nil, nil
	}
	if u.async {
		pending, _ = out.Get("pending").(*goja.Object)
	} else if u.esm {
		l.markESM(out)
	}
	return pending, nil
}

// thrownValue is what a script threw, for handing it on.
func thrownValue(err error) any {
	if ex, ok := err.(*goja.Exception); ok {
		return ex.Value()
	}
	panic(err)
}

// pendingImports loads what an ES module imports and returns the promises of
// those that are not there yet.
func (l *loader) pendingImports(m *module, u *unit) (waits []any, err error) {
	ex := l.e.vm.Try(func() {
		for _, name := range u.imports {
			if l.public(name) != nil {
				continue
			}
			file, notFound := l.resolve(name, m)
			if notFound != nil {
				continue // the import itself will say so
			}
			l.load(file, m)
			if p := l.pending[file]; p != nil {
				waits = append(waits, p)
			}
		}
	})
	if ex != nil {
		return nil, ex
	}
	return waits, nil
}

// all is Promise.all.
func (l *loader) all(waits []any) *goja.Object {
	class := l.e.vm.Get("Promise").(*goja.Object)
	all, _ := goja.AssertFunction(class.Get("all"))
	p, err := all(class, l.e.vm.NewArray(waits...))
	if err != nil {
		panic(err)
	}
	return p.(*goja.Object)
}

// then calls p.then.
func (l *loader) then(p *goja.Object, done, failed func(goja.FunctionCall) goja.Value) error {
	then, _ := goja.AssertFunction(p.Get("then"))
	_, err := then(p, l.e.vm.ToValue(done), l.e.vm.ToValue(failed))
	return err
}

// awaitExports makes the exports of a module that waits something that can be
// awaited, and from when its promise is settled what that came to.
func (l *loader) awaitExports(m *module, pending *goja.Object) error {
	vm := l.e.vm
	m.pending = pending
	waiting := vm.NewObject()
	then, _ := goja.AssertFunction(pending.Get("then"))
	l.e.define(waiting, "then", vm.ToValue(func(call goja.FunctionCall) goja.Value {
		v, err := then(pending, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return v
	}))
	_ = m.object.Set("exports", waiting)
	if m.main {
		return nil
	}
	l.pending[m.file] = pending
	return l.then(pending, func(call goja.FunctionCall) goja.Value {
		delete(l.pending, m.file)
		if exports, ok := call.Argument(0).(*goja.Object); ok && exports.GetSymbol(l.esm) == nil {
			l.e.define(exports, "__esModule", vm.ToValue(true))
			l.markESM(exports)
		}
		_ = m.object.Set("exports", call.Argument(0))
		return goja.Undefined()
	}, func(goja.FunctionCall) goja.Value { return goja.Undefined() })
}

// markESM marks the exports of what was an ES module.
func (l *loader) markESM(v goja.Value) {
	if exports, ok := v.(*goja.Object); ok {
		_ = exports.DefineDataPropertySymbol(l.esm, l.e.vm.ToValue(true), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	}
}

// typeModule reports whether the package of a file says that its files are ES modules.
func (l *loader) typeModule(dir, name string) bool {
	switch filepath.Ext(name) {
	case ".cjs", ".cts":
		return false
	}
	p := l.packageOf(dir)
	return p != nil && p.Type == "module"
}

// meta is import.meta.
func (l *loader) meta(m *module) goja.Value {
	obj := l.e.vm.NewObject()
	_ = obj.Set("url", fileURL(m.file))
	_ = obj.Set("filename", m.file)
	_ = obj.Set("dirname", filepath.Dir(m.file))
	_ = obj.Set("main", m.main)
	_ = obj.Set(tidies, l.e.tidied)
	_ = obj.Set(tidiesFor, l.e.handler)
	_ = obj.Set("esm", func(call goja.FunctionCall) goja.Value {
		exports, ok := call.Argument(0).(*goja.Object)
		return l.e.vm.ToValue(ok && exports.GetSymbol(l.esm) != nil)
	})
	_ = obj.Set("resolve", func(call goja.FunctionCall) goja.Value {
		name := call.Argument(0).String()
		if l.public(name) != nil {
			return l.e.vm.ToValue("node:" + strings.TrimPrefix(name, "node:"))
		}
		file, err := l.resolve(name, m)
		if err != nil {
			panic(l.jsError(err, name, m))
		}
		return l.e.vm.ToValue(fileURL(file))
	})
	return obj
}

func fileURL(file string) string {
	file = filepath.ToSlash(file)
	if !strings.HasPrefix(file, "/") {
		file = "/" + file
	}
	return "file://" + strings.NewReplacer("%", "%25", " ", "%20", "#", "%23", "?", "%3F").Replace(file)
}
