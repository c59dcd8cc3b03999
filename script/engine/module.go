package engine

import (
	"path/filepath"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3/script/modules"
)

// moduleModule is the module named module, which only the loader can offer.
func (l *loader) moduleModule() modules.Module {
	return modules.Module{
		Names: []string{"module"},
		Node:  true,
		Source: `
			function Module(id, parent) {
				this.id = id || ""; this.exports = {}; this.loaded = false; this.children = []; this.parent = parent || null; this.paths = [];
			}
			Module.Module = Module;
			Module.builtinModules = native.names();
			Module.isBuiltin = function isBuiltin(name) { return native.has(String(name)); };
			Module._cache = native.cache();
			Module._extensions = {};
			Module._nodeModulePaths = native.paths;
			Module.createRequire = function createRequire(file) {
				if (file && typeof file === "object" && file.href) file = file.href;
				return native.createRequire(String(file));
			};
			module.exports = Module;`,
		Native: func(*modules.Env) map[string]any {
			return map[string]any{
				"names": l.nodeNames,
				"has":   func(name string) bool { return l.public(name) != nil },
				"cache": func() goja.Value { return l.cache },
				"paths": l.nodeModules,
				"createRequire": func(file string) goja.Value {
					file = fromFileURL(file)
					return l.requireFunction(&module{l: l, id: file, file: file, dir: filepath.Dir(file)})
				},
			}
		},
	}
}
