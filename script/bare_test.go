package script

import (
	"fmt"
	"time"

	"github.com/brigadecore/brigade/v3/script/modules"
)

// testModules are console, timers and process at their smallest, so that the
// tests here do not depend on the modules of Node.
func testModules() []modules.Module {
	if all := builtins(); len(all) > 0 {
		return all
	}
	return []modules.Module{{
		Names: []string{"bare"},
		Source: `
			const text = (v) => v instanceof Error ? String(v.stack) : typeof v === "object" && v !== null ? JSON.stringify(v) : String(v);
			for (const m of ["log", "info", "warn", "error", "debug"]) exports[m] = (...a) => native.print(m, a.map(text).join(" "));
			exports.setTimeout = (f, ms, ...a) => native.after(Number(ms) || 0, () => f(...a));
			exports.setImmediate = (f, ...a) => native.immediate(() => f(...a));
			exports.console = exports;`,
		Globals: map[string]string{"console": "console", "setTimeout": "setTimeout", "setImmediate": "setImmediate"},
		Native: func(env *modules.Env) map[string]any {
			return map[string]any{
				"print":     func(level, s string) { env.Console(level, s) },
				"after":     func(ms int, f func()) { env.Loop.After(time.Duration(ms)*time.Millisecond, false, f) },
				"immediate": func(f func()) { env.Loop.Immediate(f) },
			}
		},
	}, {
		Names: []string{"process"},
		Source: `
			const on = {};
			exports.env = native.env;
			exports.exit = native.exit;
			exports.on = (n, f) => { (on[n] = on[n] || []).push(f); return exports; };
			exports.emit = (n, ...a) => { for (const f of on[n] || []) f(...a); return Boolean(on[n]); };
			exports.nextTick = native.tick;`,
		Globals: map[string]string{"process": ""},
		Native: func(env *modules.Env) map[string]any {
			vars := map[string]any{}
			for k, v := range env.Vars {
				vars[k] = fmt.Sprint(v)
			}
			return map[string]any{"env": vars, "exit": func(code int) { env.Exit(code) }, "tick": func(f func()) { env.Tick(f) }}
		},
	}}
}
