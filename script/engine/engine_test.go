package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// print is a module whose function collects lines.
func printModule(lines *[]string) modules.Module {
	return modules.Module{
		Names:   []string{"print"},
		Source:  `module.exports = native.print; module.exports.native = native;`,
		Globals: map[string]string{"print": ""},
		Native: func(env *modules.Env) map[string]any {
			return map[string]any{
				"print": func(args ...any) {
					var parts []string
					for _, a := range args {
						s, _ := a.(string)
						parts = append(parts, s)
					}
					*lines = append(*lines, strings.Join(parts, " "))
				},
				"after": func(ms int, f func(...any)) {
					env.Loop.After(time.Duration(ms)*time.Millisecond, false, func() { f("tick") })
				},
				"bytes":  func(b []byte) []byte { return append(b, '!') },
				"object": func(m map[string]any) map[string]any { return map[string]any{"got": m, "list": []any{1, nil, "x"}} },
				"fail": func(path string) error {
					return &modules.SysError{Code: "ENOENT", Syscall: "open", Path: path, Message: "ENOENT: no such file"}
				},
				"later": func(s string) modules.Async {
					return func(context.Context) (any, error) {
						if s == "bad" {
							return nil, brigade.Errorf(brigade.CodeJobTimeout, "too late")
						}
						return map[string]any{"s": s, "b": []byte(s)}, nil
					}
				},
				"each": func(n int, f func(...any) any) []any {
					var out []any
					for i := range n {
						out = append(out, f(i))
					}
					return out
				},
				"exit": func(code int) { env.Exit(code) },
			}
		},
	}
}

// run runs a script to its end and returns what it printed.
func run(t *testing.T, opts Options, name, src string) (string, error) {
	t.Helper()
	var lines []string
	opts.Modules = append(opts.Modules, printModule(&lines))
	e := New(t.Context(), opts)
	defer e.Close()
	err := e.RunString(name, src)
	if err == nil {
		err = e.Wait()
	}
	return strings.Join(lines, "\n"), err
}

func expect(t *testing.T, name, src, want string) {
	t.Helper()
	got, err := run(t, Options{}, name, src)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestNativesConvertBothWays(t *testing.T) {
	expect(t, "a.js", `
		const { native } = require("print");
		const b = native.bytes(new Uint8Array([104, 105]));
		print(String(b instanceof Uint8Array), String.fromCharCode(...b));
		print(String.fromCharCode(...native.bytes("str")));
		print(String.fromCharCode(...native.bytes(new Uint8Array([1, 65, 66]).subarray(1))));
		print(JSON.stringify(native.object({ a: [1, "2", null, { c: true }], d: undefined })));
		try { native.fail("/x"); } catch (e) { print(e.code, e.path, e.syscall, String(e.errno), String(e instanceof Error)); }
		print(native.each(3, i => i * 2).join());
		try { native.each(1, () => { throw new Error("inner"); }); } catch (e) { print(e.message); }
		native.later("ok").then(r => print(r.s, String(r.b.length)))
			.then(() => native.later("bad")).catch(e => print(e.message, e.code));
	`, "true hi!\nstr!\nAB!\n"+`{"got":{"a":[1,"2",null,{"c":true}],"d":null},"list":[1,null,"x"]}`+
		"\nENOENT /x open -2 true\n0,2,4\ninner\nok 2\ntoo late job_timeout")
}

func TestExitRunsNothingMore(t *testing.T) {
	got, err := run(t, Options{}, "a.js", `
		try { print("a"); require("print").native.exit(3); print("b"); } catch (e) { print("c"); } finally { print("d"); }`)
	var exit *Exit
	if !errors.As(err, &exit) || exit.Code != 3 || got != "a" {
		t.Errorf("got %v, printed %q", err, got)
	}
}

func TestTopLevelAwait(t *testing.T) {
	for name, src := range map[string]string{
		"cjs.js":  `const { native } = require("print"); const r = await native.later("x"); print(r.s, typeof module, __filename.slice(-6));`,
		"esm.mjs": `import p, { native } from "print"; const r = await native.later("x"); p(r.s, "object", "cjs.js");`,
		"ts.ts":   `import p from "print"; const r: { s: string } = await p.native.later("x"); p(r.s as string, "object", "cjs.js"); export {};`,
		"par.js":  `const n = require("print").native; const r = await (n.later("x")); print(r.s, "object", "cjs.js")`,
		"fn.js":   `const f = async () => await (require("print").native.later("x")); f().then(r => print(r.s, "object", "cjs.js"))`,
	} {
		t.Run(name, func(t *testing.T) { expect(t, name, src, "x object cjs.js") })
	}
}

func TestTopLevelAwaitThatNeverEnds(t *testing.T) {
	if _, err := run(t, Options{}, "a.mjs", `await new Promise(() => {}); export {}`); !errors.Is(err, ErrUnsettled) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"a.js", "const a = 1; boom()", "a.js:1:18"},
		{"a.js", "// x\nfunction f() {\n  throw new Error('no')\n}\nf()", "f (a.js:3:9)"},
		{"a.ts", "interface A {\n  x: number\n}\nconst a: A = { x: 1 };\n\nfunction f(v: A): never {\n  throw new Error('no');\n}\nf(a);", "f (a.ts:7:9)"},
		{"b.mjs", "import p from 'print';\n\nawait p.native.later('x');\nnull.x;\nexport {};", "b.mjs:4:"},
		{"c.js", "return nope()", "c.js:1:"},
	} {
		_, err := run(t, Options{}, c.name, c.src)
		var thrown *Thrown
		if !errors.As(err, &thrown) || !strings.Contains(thrown.Stack(), c.want) {
			t.Errorf("%s: got %v, want %s in it", c.name, err, c.want)
			if thrown != nil {
				t.Log(thrown.Stack())
			}
		}
	}
}

func TestSyntaxErrorsShowTheLine(t *testing.T) {
	_, err := run(t, Options{}, "brigade.js", "let ok = 1;\n\tfoo(] );\n")
	want := "brigade.js:2:6: Unexpected \"]\"\n\n  2 | \tfoo(] );\n    | \t    ^"
	if brigade.CodeOf(err) != brigade.CodeScriptLoad || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestModulesResolveAsInNode(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"lib/index.js":                     `exports.name = "lib"; exports.up = require("..");`,
		"package.json":                     `{"name":"self","main":"main.js","imports":{"#x":"./lib/x.js"}}`,
		"main.js":                          `exports.main = true;`,
		"lib/x.js":                         `module.exports = "x";`,
		"data.json":                        `{"n": 5}`,
		"typed.ts":                         `export const t: number = 7; export default function f(): string { return "d"; }`,
		"a.js":                             `exports.early = 1; const b = require("./b"); exports.b = b.got; exports.late = 2;`,
		"b.js":                             `const a = require("./a"); exports.got = a.early + ":" + a.late;`,
		"node_modules/plain/package.json":  `{"main": "./out"}`,
		"node_modules/plain/out/index.js":  `module.exports = "plain";`,
		"node_modules/plain/sub.js":        `module.exports = "sub";`,
		"node_modules/@s/exp/package.json": `{"name":"@s/exp","exports":{".":{"import":"./e.mjs","require":"./r.js"},"./f/*":"./files/*.js","./m":{"import":"./e.mjs"}}}`,
		"node_modules/@s/exp/r.js":         `module.exports = "required";`,
		"node_modules/@s/exp/e.mjs":        `export default "imported";`,
		"node_modules/@s/exp/files/one.js": `module.exports = "one";`,
		"node_modules/@s/exp/private.js":   `module.exports = "private";`,
		"tla.mjs":                          `export const v = await Promise.resolve(9);`,
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := run(t, Options{Root: dir}, "brigade.js", `
		const lib = require("./lib");
		print(lib.name, String(lib.up.main), require("./lib/x"), String(require("./data").n));
		const t = require("./typed"); print(String(t.t), t.default());
		print(String(require("./a").b));
		print(require("plain"), require("plain/sub"), require("@s/exp"), require("@s/exp/f/one"), require("@s/exp/m").default);
		try { require("@s/exp/private"); } catch (e) { print(e.code); }
		print(String(require(".").main), String(require("./lib") === lib));
		print(String(require.main === module), String(module.paths[0].endsWith("node_modules")), String(module.children.length));
		print(require.resolve("plain").slice(-12), require.resolve("print"));
		try { require("./nope"); } catch (e) { print(e.code, e.message.split("\n")[0]); }
		import("./tla.mjs").then(m => print(String(m.v)));
	`)
	want := "lib true x 5\n7 d\n1:undefined\nplain sub required one imported\nmodule_not_found\ntrue true\ntrue true 10\n" +
		"out/index.js print\nMODULE_NOT_FOUND Cannot find module './nope'\n9"
	if err != nil || got != want {
		t.Errorf("err %v, printed\n%s\nwant\n%s", err, got, want)
	}
}

func TestFilesOutsideTheRootAreNotLoaded(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.json")
	if err := os.WriteFile(secret, []byte(`{"s":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "link.json")); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{secret, "./link.json", "../" + filepath.Base(outside) + "/secret.json", "file://" + secret} {
		_, err := run(t, Options{Root: dir}, "brigade.js", "require("+jsString(name)+")")
		if brigade.CodeOf(err) != brigade.CodeModule {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func jsString(s string) string { return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"` }

func TestUnknownModulesComeWithAHint(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deploy.js"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"lodash": "brig install", "prnit": `did you mean "print"`, "./depoly": `did you mean "./deploy"`, "@a/b/c": `add "@a/b"`,
		"../x": "files outside",
	} {
		_, err := run(t, Options{Root: dir}, "brigade.js", "require("+jsString(name)+")")
		var public *brigade.Error
		if !errors.As(err, &public) || public.Code != brigade.CodeModule || !strings.Contains(public.Hint, want) {
			t.Errorf("%s: %v, hint %q", name, err, public.Hint)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Run("turn", func(t *testing.T) {
		_, err := run(t, Options{Turn: time.Second}, "a.js", "let i = 0;\nwhile (true) {\n  i++;\n}")
		if brigade.CodeOf(err) != brigade.CodeScriptLimit || !strings.Contains(err.Error(), "a.js:") {
			t.Error(err)
		}
	})
	t.Run("promise loop", func(t *testing.T) {
		_, err := run(t, Options{Turn: time.Second}, "a.js", "(function f() { Promise.resolve().then(f) })()")
		if brigade.CodeOf(err) != brigade.CodeScriptLimit {
			t.Error(err)
		}
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		e := New(ctx, Options{})
		defer e.Close()
		err := e.RunString("a.js", "for (;;) {}")
		if err == nil {
			err = e.Wait()
		}
		if !errors.Is(err, cause) {
			t.Error(err)
		}
	})
	t.Run("recursion", func(t *testing.T) {
		_, err := run(t, Options{}, "a.js", "function f() { f() }\nf()")
		if err == nil || !strings.Contains(err.Error(), "Maximum call stack") {
			t.Error(err)
		}
	})
	for name, src := range map[string]string{
		"parentheses": strings.Repeat("(", 1_000_000) + strings.Repeat(")", 1_000_000),
		"hidden":      "/" + strings.Repeat("(", 1_000_000),
		"plus":        strings.Repeat("1+", 2_000_000) + "1",
		"minus":       strings.Repeat("- ", 2_000_000) + "1",
		"calls":       "f" + strings.Repeat("()", 2_000_000),
		"members":     "f" + strings.Repeat(".a", 2_000_000),
		"arrows":      strings.Repeat("a=>", 1_500_000) + "1",
		"near":        "/" + strings.Repeat("(", maxOpen-1),
		"near chain":  strings.Repeat("- ", maxChain-1) + "nope",
		"near nested": strings.Repeat("(", maxNesting-1) + "nope" + strings.Repeat(")", maxNesting-1),
		"new":         strings.Repeat("new ", 1_200_000) + "f",
		"else":        strings.Repeat("if(a){}else ", 400_000) + "{}",
		"template":    strings.Repeat("`${", 1_000_000),
		"json":        `JSON.parse("[".repeat(1e6))`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := run(t, Options{}, "a.js", src); err == nil {
				t.Error("no error")
			} else {
				t.Log(err.Error()[:min(120, len(err.Error()))])
			}
		})
	}
}

func TestSourceMapCommentsOpenNoFile(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.map")
	if err := os.WriteFile(secret, []byte(`{"version":3,"sources":["SECRET"],"names":[],"mappings":"AAAA"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.js", "a.ts", "a.mjs"} {
		src := "await 1;\nthrow new Error('x');\n//# sourceMappingURL=" + secret
		if name == "a.js" {
			src = "throw new Error('x');\n//# sourceMappingURL=" + secret
		}
		_, err := run(t, Options{Root: dir}, name, src)
		var thrown *Thrown
		if !errors.As(err, &thrown) || strings.Contains(thrown.Stack(), "SECRET") || !strings.Contains(thrown.Stack(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
