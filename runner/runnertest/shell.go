package runnertest

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	brigade "github.com/brigadecore/brigade/v3"
)

func shellTests() []test {
	return []test{
		{"OutputInOrder", tasks, outputInOrder},
		{"OutputAsItIs", tasks, outputAsItIs},
		{"BigOutput", tasks, bigOutput},
		{"Env", tasks, envValues},
		{"EnvOfItsOwn", both(func(f Features) bool { return f.CleanEnv }), envOfItsOwn},
		{"Args", tasks, args},
		{"NoInput", tasks, noInput},
		{"StrictMode", tasks, strictMode},
		{"StrictModeBash", both(func(f Features) bool { return f.Bash }), strictModeBash},
		{"Shells", tasks, shells},
		{"SeveralLines", tasks, severalLines},
		{"SignalExit", both(func(f Features) bool { return f.ExitSignals }), signalExit},
		{"MissingShell", tasks, missingShell},
		{"BadMountPath", tasks, badMountPath},
		{"NoTasks", nil, noTasks},
	}
}

func outputInOrder(h *harness) {
	var want strings.Builder
	for i := range 200 {
		fmt.Fprintf(&want, "out %d\nerr %d\n", i, i)
	}
	spec := h.spec("order", `i=0; while [ $i -lt 200 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done`)
	if h.cfg.Has.RawOutput {
		h.wantOutput(spec, "", want.String())
		return
	}
	out := h.output(spec, "")
	for _, stream := range []string{"out", "err"} {
		if got, want := linesOf(out, stream), linesOf(want.String(), stream); got != want {
			h.Errorf("of %s arrived\n%s\nwant\n%s", stream, got, want)
		}
	}
}

// linesOf are the lines of text that begin with prefix.
func linesOf(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func outputAsItIs(h *harness) {
	end := `\r\n`
	if !h.cfg.Has.RawOutput {
		end = `\n`
	}
	want := "a" + strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(end) + "b\tgrün\x1b[31m\xff\x01 no end"
	h.wantOutput(h.spec("as-it-is", `printf 'a`+end+`b\tgr\303\274n\033[31m\377\001 no end'`), "", want)
	h.wantOutput(h.spec("silent", ":"), "", "")
}

// countingWriter counts bytes and, now and then, looks at how much memory is
// in use.
type countingWriter struct {
	n, next int64
	heap    atomic.Uint64
}

// Write implements io.Writer.
func (c *countingWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	if c.n >= c.next {
		c.next += 8 << 20
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.heap.Store(max(c.heap.Load(), m.HeapAlloc))
	}
	return len(p), nil
}

func bigOutput(h *harness) {
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	log := &countingWriter{}
	// Strict mode would see yes end by SIGPIPE only with pipefail.
	spec := h.spec("big", fmt.Sprintf("yes 0123456789abcdef0123456789abcdef0123456789abcdef | head -c %d", h.cfg.BigOutput))
	exe, err := h.runner.Start(h.ctx, h.runOf(spec, "", log))
	if err != nil {
		h.Fatalf("Start: %v", err)
	}
	exit, err := exe.Wait(h.ctx)
	if err != nil || exit.Code != 0 {
		h.Fatalf("exit %d, error %v", exit.Code, err)
	}
	if log.n != h.cfg.BigOutput {
		h.Errorf("%d bytes arrived of %d", log.n, h.cfg.BigOutput)
	}
	if grown := int64(log.heap.Load()) - int64(before.HeapAlloc); grown > 32<<20 {
		h.Errorf("the heap grew by %d MiB while %d MiB came through", grown>>20, log.n>>20)
	}
}

func envValues(h *harness) {
	values := map[string]string{
		"PLAIN": "value", "EMPTY": "", "SPACES": "  a  b  ", "QUOTES": `it's "so"`, "DOLLAR": "$HOME $(id) `id`",
		"LINES": "one\ntwo\n\nthree", "EQUALS": "a=b=c", "UNICODE": "Grüße, 世界", "BACKSLASH": `a\nb\\c`, "lower_1": "x",
		"LONG": strings.Repeat("0123456789", 5000),
	}
	spec := h.spec("env")
	var want strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		spec = env(spec, name, values[name])
		spec.Tasks = append(spec.Tasks, fmt.Sprintf(`printf '%%s|' "${%s-unset}"`, name))
		want.WriteString(values[name] + "|")
	}
	spec.Tasks = append(spec.Tasks, `printf '%s' "${NOT_SET-unset}"`)
	h.wantOutput(spec, "", want.String()+"unset")

	h.wantOutput(env(h.spec("env-path", `echo "$PATH"`), "PATH", "/somewhere:/bin:/usr/bin"), "", "/somewhere:/bin:/usr/bin\n")
}

func envOfItsOwn(h *harness) {
	h.Setenv("RUNNERTEST_OF_THE_HOST", "leaked")
	h.wantOutput(h.spec("env-own", `echo "${RUNNERTEST_OF_THE_HOST-clean}"`), "", "clean\n")
}

func args(h *harness) {
	spec := h.spec("args", `printf '%s;' "$#" "$@"`)
	spec.Args = []string{"one", "two words", "", "-x", `$HOME "'`}
	h.wantOutput(spec, "", `5;one;two words;;-x;$HOME "';`)
}

func noInput(h *harness) {
	h.wantOutput(h.spec("input", "cat", "echo end"), "", "end\n")
}

func strictMode(h *harness) {
	exit, out := h.run(h.spec("strict", "echo before", "false", "echo after"))
	if exit.Code != 1 || out != "before\n" {
		h.Errorf("exit %d, output %q; want 1 and only the first line", exit.Code, out)
	}
	exit, out = h.run(h.spec("strict-or", "false || echo caught", "echo after"))
	if exit.Code != 0 || out != "caught\nafter\n" {
		h.Errorf("exit %d, output %q; want 0 and both lines", exit.Code, out)
	}
}

func strictModeBash(h *harness) {
	spec := h.spec("pipefail", "false | cat", "echo after")
	spec.Shell = "/bin/bash"
	if exit, out := h.run(spec); exit.Code != 1 || out != "" {
		h.Errorf("exit %d, output %q; want 1 and no output", exit.Code, out)
	}
}

func shells(h *harness) {
	spec := h.spec("shell", `echo "${BASH_VERSION:+bash}"`, "[ -r \"$0\" ]")
	if h.cfg.Has.FixedPaths {
		spec.Tasks = append(spec.Tasks, `[ "$0" = /hook/main.sh ]`, `head -n 1 /hook/main.sh`)
	}
	if h.cfg.Has.Bash {
		bash := spec
		bash.Shell = "/bin/bash"
		if out := h.output(bash, ""); !strings.HasPrefix(out, "bash\n") {
			h.Errorf("a job with shell /bin/bash printed %q", out)
		}
	}
	out := h.output(spec, "")
	if h.cfg.Has.FixedPaths && !strings.HasSuffix(out, "\n#!/bin/sh\n") {
		h.Errorf("main.sh starts with %q", out)
	}
}

func severalLines(h *harness) {
	spec := h.spec("lines", "cat <<END\na $((1+1))\nEND", "f() {\n  echo in f\n}", "f", "cd /", "pwd", "x=1", `echo "x is $x"`)
	h.wantOutput(spec, "", "a 2\nin f\n/\nx is 1\n")
}

func signalExit(h *harness) {
	// A shell that is process 1 of a pid namespace cannot be killed from
	// inside; a child can, and the shell hands its code on.
	for signal, code := range map[string]int{"KILL": 137, "TERM": 143, "ABRT": 134} {
		spec := h.spec("signal", fmt.Sprintf(`sh -c 'kill -%s $$'`, signal))
		if exit, _ := h.run(spec); exit.Code != code {
			h.Errorf("killed by %s: exit code %d, want %d", signal, exit.Code, code)
		}
	}
}

func missingShell(h *harness) {
	spec := h.spec("shellless", "echo never")
	spec.Shell = "/no/such/shell"
	h.refused(spec, brigade.CodeJobStart, "/no/such/shell")
}

func badMountPath(h *harness) {
	source := h.tree(map[string]string{"file": "x"})
	for _, path := range []string{"relative/path", "/", "/nul\x00byte", "/a/../../.."} {
		spec := h.spec("mountless", "echo never")
		spec.MountPath = path
		exe, err := h.runner.Start(h.ctx, h.runOf(spec, source, io.Discard))
		if err == nil {
			_ = exe.Stop(h.ctx, 0)
			h.Errorf("a job with mountPath %q was started", path)
			continue
		}
		if brigade.CodeOf(err) != brigade.CodeJobStart {
			h.Errorf("mountPath %q: %v (code %s), want code %s", path, err, brigade.CodeOf(err), brigade.CodeJobStart)
		}
	}
}

func noTasks(h *harness) {
	if h.cfg.Has.Tasks && !h.cfg.Has.ImageCommand {
		h.refused(h.spec("commandless"), brigade.CodeJobStart, "task")
		return
	}
	spec := h.spec("command")
	spec.Args = []string{"true"}
	if exit, out := h.run(spec); exit.Code != 0 {
		h.Errorf("the image's command with args [true] exited %d\n%s", exit.Code, out)
	}
}
