package wire

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// LimitMemory bounds the memory of this process to about that many bytes, for
// as long as it lives. Once it is exceeded, exceeded is called, from another
// goroutine, and is expected to end the process. 0 is no limit.
func LimitMemory(limit int64, exceeded func()) error { return limitMemory(limit, exceeded) }

// Apart runs a whole command in a process of its own, one that calls
// LimitMemory: what it prints goes where this process prints, but when its
// memory runs out, only it ends. Memory is the limit that it was told, in
// bytes, for what is said then.
type Apart struct {
	Program        string
	Args, Env      []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Memory         int64
}

// Run waits for the process and returns its exit code. The error says why it
// has none: it ran out of memory, crashed, or ctx ended, which it is told of
// with an interrupt and has stopGrace for.
func (a *Apart) Run(ctx context.Context) (code int, err error) {
	cmd := exec.CommandContext(ctx, a.Program, a.Args...)
	cmd.Env = append(a.Env[:len(a.Env):len(a.Env)], "GOTRACEBACK=none")
	cmd.Stdin, cmd.Stdout = a.Stdin, a.Stdout
	said := &tail{limit: 64 << 10}
	quiet := &lastWords{to: a.Stderr}
	cmd.Stderr = io.MultiWriter(said, quiet)
	cmd.SysProcAttr = apartAttributes()
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil {
			return cmd.Process.Kill() // there is no such signal everywhere
		}
		return nil
	}
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		return 0, &brigade.Error{Code: brigade.CodeScriptCrashed, Message: "the process for the script cannot be started: " + err.Error(), Err: err}
	}
	err = cmd.Wait()
	quiet.flush()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if cmd.ProcessState.Exited() && !quiet.crashed() {
		return cmd.ProcessState.ExitCode(), nil
	}
	s := &session{run: brigade.ScriptRun{Limits: brigade.ScriptLimits{Memory: a.Memory}}}
	return 0, s.crash(ending{wait: err, stderr: said.String(), peak: peakMemory(cmd.ProcessState)})
}

// givesUp matches the first line of what the Go runtime says at a crash.
var givesUp = regexp.MustCompile(`^(fatal error: |runtime: |panic: |unexpected fault address |\[signal |SIG[A-Z0-9]+: )`)

// lastWords passes on what a process says on standard error, but not what the
// Go runtime says when it gives up: the parent finds words for that.
type lastWords struct {
	to io.Writer

	mu   sync.Mutex
	line []byte
	gone bool // the runtime has begun to speak
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, p...)
	for {
		end := bytes.IndexByte(w.line, '\n')
		if end < 0 {
			return len(p), nil
		}
		w.pass(w.line[:end+1])
		w.line = w.line[end+1:]
	}
}

func (w *lastWords) pass(line []byte) {
	if w.gone = w.gone || givesUp.Match(line); !w.gone {
		_, _ = w.to.Write(line)
	}
}

// flush passes on a last line that has no end.
func (w *lastWords) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass(w.line)
	w.line = nil
}

func (w *lastWords) crashed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}
