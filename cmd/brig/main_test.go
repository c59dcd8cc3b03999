package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/runner/process"
)

// TestMain is also the first stage of isolated jobs and, as "worker" or apart,
// the process that runs scripts: the same program as brig.
func TestMain(m *testing.M) {
	if handled, code := process.InitMain(os.Args); handled {
		os.Exit(code)
	}
	if len(os.Args) == 2 && os.Args[1] == "worker" || os.Getenv(apartVariable) != "" {
		os.Exit(Main(system()))
	}
	os.Exit(m.Run())
}

// shell is a person's environment for one test.
type shell struct {
	t     *testing.T
	dir   string
	state string
	env   map[string]string
	stdin string
	sig   chan os.Signal
	now   func() time.Time // nil: time.Now
}

func newShell(t *testing.T) *shell {
	t.Helper()
	sh := &shell{t: t, dir: t.TempDir(), state: t.TempDir(), env: map[string]string{"LANG": "C.UTF-8"}, sig: make(chan os.Signal, 2)}
	t.Chdir(sh.dir)
	return sh
}

func (sh *shell) file(name, text string) {
	sh.t.Helper()
	path := filepath.Join(sh.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		sh.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		sh.t.Fatal(err)
	}
}

// brig runs a command and returns what it printed and its exit code.
func (sh *shell) brig(args ...string) (stdout, stderr string, code int) {
	sh.t.Helper()
	var out, errs bytes.Buffer
	code = sh.brigTo(&out, &errs, args...)
	return out.String(), errs.String(), code
}

// brigTo runs a command that prints to out and errs.
func (sh *shell) brigTo(out, errs io.Writer, args ...string) int {
	s := sh.shellState(out, errs)
	s.Args = args
	return Main(s)
}

func (sh *shell) shellState(out, errs io.Writer) *State {
	now := sh.now
	if now == nil {
		now = time.Now
	}
	sh.env["BRIGADE_STATE_DIR"], sh.env["BRIGADE_CACHE_DIR"] = filepath.Join(sh.state, "state"), filepath.Join(sh.state, "cache")
	return &State{
		Stdin: strings.NewReader(sh.stdin), Stdout: out, Stderr: errs, Interrupts: sh.sig,
		Getenv: func(k string) string { return sh.env[k] },
		Environ: func() []string {
			var all []string
			for k, v := range sh.env {
				all = append(all, k+"="+v)
			}
			return append(all, "PATH="+os.Getenv("PATH"))
		},
		Now: now, GOOS: "linux", Program: os.Executable, Getwd: os.Getwd,
		Home:          func() (string, error) { return sh.state, nil },
		Terminal:      func() (int, int, bool) { return 0, 0, false },
		InputTerminal: func() bool { return false }, Context: context.Background(),
	}
}

const twoJobs = `
const { events, Job } = require("brigadier");
events.on("exec", async (e, p) => {
  const a = new Job("first", "alpine:3.20", ["echo one"]);
  a.env.DUMMY_OUTPUT = "said " + e.payload;
  const r = await a.run();
  console.log("got", r.toString().trim());
  const b = new Job("second", "alpine:3.20", ["echo two"]);
  b.env.DUMMY_EXIT_CODE = e.payload == "fail" ? "3" : "0";
  await b.run();
});
events.on("push", () => {});
`

func TestRunAndLookAtIt(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", twoJobs)
	out, errs, code := sh.brig("run", "--runner", "dummy", "-i", "hello")
	if code != 0 || !strings.Contains(out, "got said hello") || !strings.Contains(out, "2 jobs") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Error("escape codes although there is no terminal")
	}
	list, _, _ := sh.brig("build", "list")
	rows := strings.Split(strings.TrimSpace(list), "\n")
	if len(rows) != 2 || !strings.HasPrefix(rows[0], "ID") || !strings.Contains(rows[1], "Succeeded") {
		t.Fatalf("list:\n%s", list)
	}
	id := strings.Fields(rows[1])[0]
	if get, _, code := sh.brig("build", "get", id[:12]); code != 0 || !strings.Contains(get, "second") || !strings.Contains(get, "dummy") {
		t.Errorf("get:\n%s", get)
	}
	if logs, _, _ := sh.brig("build", "logs", id); logs != "got said hello\n" {
		t.Errorf("logs: %q", logs)
	}
	if logs, _, _ := sh.brig("build", "logs", id, "-j", "first"); strings.TrimSpace(logs) != "said hello" {
		t.Errorf("logs of a job: %q", logs)
	}
	if logs, _, _ := sh.brig("build", "logs", "-l", "-j"); !strings.Contains(logs, "==========[  first-"+id) {
		t.Errorf("logs of all: %q", logs)
	}
	if _, errs, code := sh.brig("build", "logs", id, "-j", "nope"); code != 4 || !strings.Contains(errs, "it has first, second") {
		t.Errorf("a job that is not there: %d %s", code, errs)
	}
	out, _, code = sh.brig("rerun", id, "--runner", "dummy", "-i", "fail")
	if code != 1 || !strings.Contains(out, "exit code 3") {
		t.Errorf("rerun: exit %d\n%s", code, out)
	}
	var builds []map[string]any
	text, _, _ := sh.brig("build", "list", "-o", "json")
	if err := json.Unmarshal([]byte(text), &builds); err != nil || len(builds) != 2 || builds[0]["rerunOf"] != id {
		t.Errorf("json list: %v %s", err, text)
	}
	if out, _, code := sh.brig("build", "delete", id); code != 0 || !strings.Contains(out, id) {
		t.Errorf("delete: %d %s", code, out)
	}
	if _, _, code := sh.brig("build", "get", id); code != 4 {
		t.Errorf("a deleted build: exit %d", code)
	}
}

func TestRunJSON(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", twoJobs)
	out, _, code := sh.brig("run", "--runner", "dummy", "-o", "json", "-i", "fail")
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	var last map[string]any
	types := map[string]int{}
	for line := range strings.Lines(out) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		types[last["type"].(string)]++
	}
	if last["type"] != "result" || types["job"] < 4 || types["fired"] == 0 || types["build"] == 0 {
		t.Errorf("types %v, last %v", types, last)
	}
}

func TestDryRun(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", twoJobs)
	out, _, code := sh.brig("run", "--dry-run")
	if code != 0 || !strings.Contains(out, "Step 1\n  first (alpine:3.20)\n    $ echo one\n") || !strings.Contains(out, "Step 2\n  second") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if list, _, _ := sh.brig("build", "list"); strings.Count(list, "\n") != 1 {
		t.Errorf("a dry run was kept:\n%s", list)
	}
}

func TestProcessRunner(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.ts", `
import { events, Job } from "brigadier";
events.on("exec", async () => {
  const j: Job = new Job("write", "any", ["cat input.txt", "echo changed > input.txt", "echo $SECRET"]);
  j.env = { SECRET: "top-secret-value" };
  const r = await j.run();
  console.log("output:", r.toString());
});`)
	sh.file("input.txt", "the input\n")
	sh.file("secrets.env", "# comment\nexport PASS='top-secret-value'\n")
	out, errs, code := sh.brig("run", "--runner", "process", "--secrets-file", "secrets.env")
	if code != 0 || !strings.Contains(out, "write | the input") || !strings.Contains(out, "output: the input") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if strings.Contains(out, "top-secret-value") || !strings.Contains(out, "***") {
		t.Errorf("the secret is not masked:\n%s", out)
	}
	if text, _ := os.ReadFile(filepath.Join(sh.dir, "input.txt")); string(text) != "the input\n" {
		t.Errorf("the working tree was changed: %q", text)
	}
}

func TestBadInput(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", twoJobs)
	sh.file("syntax.js", "const x = [1, 2;\n")
	sh.file("module.js", `require("brigadierr")`)
	sh.file("package.js", `require("lodahs")`)
	sh.file("throws.js", `throw new Error("at load")`)
	sh.file("name.js", `const { Job } = require("brigadier"); new Job("Bad Name")`)
	sh.file("empty.js", " \n")
	sh.file("bad.json", "[1,2")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no such script":     {[]string{"run", "-f", "nope.js"}, 2, "there is no script file nope.js"},
		"script is a dir":    {[]string{"run", "-f", "."}, 2, "is a directory"},
		"empty script":       {[]string{"run", "-f", "empty.js"}, 3, "is empty"},
		"syntax":             {[]string{"run", "-f", "syntax.js"}, 3, "syntax.js:1:16"},
		"module":             {[]string{"run", "-f", "module.js"}, 3, `did you mean "brigadier"?`},
		"package":            {[]string{"run", "-f", "package.js"}, 3, "brig install"},
		"throws at load":     {[]string{"run", "-f", "throws.js"}, 3, "at load"},
		"job name":           {[]string{"run", "-f", "name.js"}, 3, `job name "Bad Name"`},
		"no handler":         {[]string{"run", "-e", "nope"}, 0, "it has handlers for: exec, push"},
		"no payload":         {[]string{"run", "-p", "nope.json"}, 2, "there is no payload file"},
		"two payloads":       {[]string{"run", "-p", "x", "-i", "y"}, 2, "cannot be used together"},
		"no runner":          {[]string{"run", "--runner", "x"}, 2, `there is no runner "x"`},
		"no level":           {[]string{"run", "-l", "x"}, 2, "log level"},
		"no output":          {[]string{"run", "-o", "x"}, 2, "output format"},
		"no size":            {[]string{"run", "--script-memory", "x"}, 2, "not a size"},
		"no source":          {[]string{"run", "--source", "nope"}, 2, "there is no directory"},
		"no secrets":         {[]string{"run", "--secrets-file", "bad.json"}, 2, "secrets file bad.json"},
		"secret not set":     {[]string{"run", "--secret", "NOPE"}, 2, "no NOPE"},
		"no flag":            {[]string{"run", "--nope"}, 2, "unknown flag"},
		"no command":         {[]string{"rnu"}, 2, "did you mean brig run?"},
		"no build":           {[]string{"build", "get", "zzz"}, 4, "there is no build"},
		"which build":        {[]string{"build", "logs"}, 2, "which build?"},
		"no shell":           {[]string{"completion", "bsh"}, 2, "did you mean brig completion bash?"},
		"too many arguments": {[]string{"version", "x"}, 2, "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			args := c.args
			if args[0] == "run" && name != "no runner" {
				args = append(args, "--runner", "dummy")
			}
			out, errs, code := sh.brig(args...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d with %q\n%s%s", code, c.code, c.want, out, errs)
			}
			if strings.Contains(out+errs, "goroutine ") {
				t.Errorf("a stack trace:\n%s%s", out, errs)
			}
		})
	}
}

func TestNoScript(t *testing.T) {
	sh := newShell(t)
	out, errs, code := sh.brig("run", "--runner", "dummy")
	if code != 3 || !strings.Contains(out+errs, "brig init") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestScriptLimits(t *testing.T) {
	sh := newShell(t)
	sh.file("memory.js", `const a = []; for (let i = 0; ; i++) a.push("x".repeat(1 << 20) + i)`)
	sh.file("huge.js", `"x".repeat(2 ** 33).length`)
	sh.file("deep.js", "("+strings.Repeat("(", 1_000_000)+strings.Repeat(")", 1_000_000)+")")
	sh.file("wall.js", `setInterval(() => {}, 1000)`)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"memory.js": {nil, "128 MiB of memory"},
		"huge.js":   {nil, "128 MiB of memory"},
		"deep.js":   {nil, "deep.js"},
		"wall.js":   {[]string{"--script-timeout", "300ms"}, "longer than 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := sh.brig(append([]string{"run", "--runner", "dummy", "--script-memory", "128Mi", "-f", name}, c.args...)...)
			if code == 0 || code == 70 || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %q\n%s%s", code, c.want, out, errs)
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", `
const { events, Job } = require("brigadier");
events.on("exec", () => new Job("long", "x", ["trap 'echo bye; exit 0' TERM; echo ready; sleep 60 & wait"]).run());
events.on("after", () => console.log("AFTER"));
events.on("error", () => console.log("ERROR"));`)
	go func() {
		for {
			logs, _ := os.ReadDir(filepath.Join(sh.state, "state", "process"))
			if len(logs) > 0 {
				time.Sleep(300 * time.Millisecond) // the job has set its trap by then, or is ended without
				sh.sig <- os.Interrupt
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	out, errs, code := sh.brig("run", "--runner", "process")
	if code != 130 || strings.Contains(out, "AFTER") || strings.Contains(out, "ERROR") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestInitRunsAtOnce(t *testing.T) {
	for _, language := range []string{"--js", "--ts"} {
		sh := newShell(t)
		if out, errs, code := sh.brig("init", language); code != 0 || !strings.Contains(out, "brig run") {
			t.Fatalf("exit %d\n%s%s", code, out, errs)
		}
		if out, errs, code := sh.brig("run", "--runner", "dummy"); code != 0 {
			t.Errorf("%s: exit %d\n%s%s", language, code, out, errs)
		}
		sh.file("BRIGADE.md", "mine")
		if _, errs, code := sh.brig("init", language); code != 5 || !strings.Contains(errs, "BRIGADE.md") {
			t.Errorf("again: exit %d %s", code, errs)
		}
	}
}

func TestHelpHasExamples(t *testing.T) {
	sh := newShell(t)
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "exit-codes" {
			return
		}
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example, or does not say what it does", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(sh.shellState(io.Discard, io.Discard)))
	if out, _, code := sh.brig("build", "logs", "--help"); code != 0 || !strings.Contains(out, "Examples:") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, _, _ := sh.brig("help", "exit-codes"); !strings.Contains(out, "130") {
		t.Errorf("exit codes: %s", out)
	}
	if out, _, _ := sh.brig("__complete", "run", "--runner", ""); !strings.Contains(out, "docker") {
		t.Errorf("completion: %s", out)
	}
}
