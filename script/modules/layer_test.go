package modules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/script/engine"
	"github.com/brigadecore/brigade/v3/script/modules"
)

func TestEveryModuleLoads(t *testing.T) {
	for _, m := range modules.All() {
		if m.Internal {
			continue
		}
		for _, name := range m.Names {
			source := "const a = require('" + name + "'), b = require('node:" + name + "'); console.log(a === b, typeof a);"
			out, err := runScript(t, "/x.js", source, nil)
			if err != nil || !strings.HasPrefix(out, "true") {
				t.Errorf("%s: %q %v", name, out, err)
			}
		}
	}
}

func TestUnsupportedExplainsItself(t *testing.T) {
	for code, want := range map[string]string{
		"require('child_process').execSync('ls')":        "run it as a job: new Job(...)",
		"new (require('worker_threads').Worker)('x.js')": "start jobs",
		"require('http').createServer()":                 "a script is not a server",
		"require('https').createServer()":                "a script is not a server",
		"require('net').connect(80)":                     "use http, https or fetch",
		"require('vm').runInNewContext('1')":             "require it",
		"require('crypto').generateKeyPairSync('rsa')":   "openssl",
		"process.kill(1)":                                "new Job(...)",
		"process.binding('fs')":                          "no native bindings",
		"require('readline').createInterface({ input: new (require('stream').PassThrough)() }).question('?')": "nobody who types",
		"require('fs').watch('.')": "do not change",
	} {
		out, err := runScript(t, "/x.js", "try { "+code+" } catch (e) { console.log(e.code, e.message) }", nil)
		if err != nil || !strings.HasPrefix(out, "ERR_BRIGADE_UNSUPPORTED ") || !strings.Contains(out, want) {
			t.Errorf("%s: %q %v", code, out, err)
		}
	}
}

func TestNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	source := `
const fs = require('fs');
const show = (e) => console.log(e && e.code, e && e.syscall);
for (const f of [() => fs.writeFileSync('a', 'x'), () => fs.mkdirSync('d'), () => fs.appendFileSync('a', 'x'), () => fs.openSync('a', 'w'),
  () => fs.rmSync('a'), () => fs.unlinkSync('a'), () => fs.renameSync('a', 'b')]) { try { f(); show(null); } catch (e) { show(e); } }
fs.writeFile('a', 'x', show);
fs.promises.writeFile('a', 'x').catch(show);
fs.createWriteStream('a').on('error', show);
`
	out, err := runScript(t, dir+"/x.js", source, &modules.Env{Dir: dir, Roots: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 10 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "EROFS ") {
			t.Errorf("%q is not EROFS", line)
		}
	}
}

func TestConsoleLevels(t *testing.T) {
	var got []string
	env := &modules.Env{Console: func(level, text string) { got = append(got, level+":"+text) }}
	e := engine.New(context.Background(), engine.Options{Modules: modules.All(), Env: env, Cache: cache})
	defer e.Close()
	err := e.RunString("/x.js", "console.log('a', {b: 1}); console.info('i'); console.debug('d'); console.warn('w'); console.error('e\\nf'); console.group('g'); console.log('in')")
	if err == nil {
		err = e.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := "log:a { b: 1 }|info:i|debug:d|warn:w|error:e\nf|log:g|log:  in"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestStacksReadAsInNode(t *testing.T) {
	source := "function deploy() { throw new TypeError('boom'); }\ntry { deploy(); } catch (e) { console.log(e.stack); console.log(e); console.log('log:', 'x\\n\\tat com.acme.Main(Main.java:12)'); }"
	out, err := runScript(t, "/x.js", source, nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := "TypeError: boom\n    at deploy (/x.js:1:27)\n    at /x.js:2:13\n"
	if want := stack + stack + "log: x\n\tat com.acme.Main(Main.java:12)\n"; out != want {
		t.Errorf("got %s\nwant %s", out, want)
	}
}

// BenchmarkHello is a script that prints, with and without the layer; the
// ratio is what the layer costs a script that does not use it.
func BenchmarkHello(b *testing.B) {
	print := modules.Module{Names: []string{"console"}, Source: "exports.log = native.write;", Globals: map[string]string{"console": ""},
		Native: func(*modules.Env) map[string]any { return map[string]any{"write": func(string) {}} }}
	run := func(b *testing.B, list []modules.Module, source string) {
		b.ReportAllocs()
		shared := engine.NewCache()
		for range b.N {
			e := engine.New(context.Background(), engine.Options{Modules: list, Cache: shared})
			if err := e.RunString("/x.js", source); err != nil {
				b.Fatal(err)
			}
			e.Close()
		}
	}
	all := modules.All()
	b.Run("without", func(b *testing.B) { run(b, []modules.Module{print}, "console.log('hello')") })
	b.Run("layer", func(b *testing.B) { run(b, all, "console.log('hello')") })
	b.Run("inspect", func(b *testing.B) { run(b, all, "console.log({a: 1})") })
	b.Run("process", func(b *testing.B) { run(b, all, "process.env.X") })
	b.Run("streams", func(b *testing.B) { run(b, all, "require('stream')") })
	b.Run("http", func(b *testing.B) { run(b, all, "require('http')") })
}
