package engine

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3"
)

var (
	errTurn    = errors.New("the script did not yield")
	errStopped = errors.New("the script was stopped")
)

// Thrown is a JavaScript exception, or the reason of a rejected promise.
type Thrown struct {
	Text   string   // the value as text, such as "TypeError: x is not a function"
	Frames []string // where, innermost first, such as "deploy (lib/a.js:3:7)"
	Err    error    // the Go error it was made of, nil for the script's own

	value goja.Value
}

// Error returns the text without the frames.
func (t *Thrown) Error() string { return t.Text }

// Unwrap returns the Go error.
func (t *Thrown) Unwrap() error { return t.Err }

// Stack returns the text and the frames, as Node writes them.
func (t *Thrown) Stack() string {
	var b strings.Builder
	b.WriteString(t.Text)
	for _, f := range t.Frames {
		b.WriteString("\n    at ")
		b.WriteString(f)
	}
	return b.String()
}

// Explain is what a person is told about an exception: its text and where it
// comes from, with the line of the script's source.
func (e *Engine) Explain(t *Thrown) string {
	text := t.Stack()
	if frame := e.frameOf(t); frame != "" {
		text += "\n\n" + frame
	}
	return text
}

// Locate puts the place of an exception before a message.
func (e *Engine) Locate(message string, t *Thrown) string {
	for _, at := range t.Frames {
		if m := framePlace.FindStringSubmatch(at); m != nil {
			message = fmt.Sprintf("%s:%s:%s: %s", m[1], m[2], m[3], message)
			if frame := e.frameOf(t); frame != "" {
				message += "\n\n" + frame
			}
			return message
		}
	}
	return message
}

// frameOf shows the first line in the stack that is of a file we know.
func (e *Engine) frameOf(t *Thrown) string {
	for _, at := range t.Frames {
		m := framePlace.FindStringSubmatch(at)
		if m == nil {
			continue
		}
		if source, known := e.loader.sources[m[1]]; known {
			line, _ := strconv.Atoi(m[2])
			column, _ := strconv.Atoi(m[3])
			return codeFrame(plainText(source), line, column)
		}
	}
	return ""
}

// failed makes the error of a call into the script: a *Thrown, or why the
// script ended.
func (e *Engine) failed(err error) error {
	var (
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
		exception   *goja.Exception
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &interrupted):
		if e.end == nil {
			e.end = e.interruption(interrupted)
			e.killed.CompareAndSwap(nil, &e.end)
			e.loop.Stop()
		}
		return e.end
	case errors.As(err, &overflow):
		return e.overflowed(overflow)
	case errors.As(err, &exception):
		t := e.thrown(exception.Value())
		if len(t.Frames) == 0 {
			t.Frames = frames(exception.Stack())
		}
		return t
	}
	return err
}

// interruption is why the engine was interrupted. For a turn that took too
// long it names the line.
func (e *Engine) interruption(err *goja.InterruptedError) error {
	cause, ok := err.Value().(error)
	if !ok {
		return errStopped
	}
	if cause != errTurn {
		return cause
	}
	where := ""
	if at := frames(err.Stack()); len(at) > 0 {
		where = " at " + at[0]
	}
	return e.turnError(where)
}

func (e *Engine) turnError(where string) error {
	return &brigade.Error{
		Code:    brigade.CodeScriptLimit,
		Message: fmt.Sprintf("the script ran for %s without yielding%s", e.opts.Turn, where),
		Hint:    "look for a loop that never ends; long work belongs into a job",
		Err:     errTurn,
	}
}

// overflowed is the exception that too deep a recursion would be in Node. Here
// the script cannot catch it.
func (e *Engine) overflowed(err *goja.StackOverflowError) error {
	obj, newErr := e.vm.New(e.vm.Get("RangeError"), e.vm.ToValue("Maximum call stack size exceeded"))
	if newErr != nil {
		return &Thrown{Text: newErr.Error()}
	}
	at := frames(err.Stack())
	if len(at) > 10 {
		at = at[:10]
	}
	t := &Thrown{Text: "RangeError: Maximum call stack size exceeded", Frames: at, value: obj}
	_ = obj.Set("stack", t.Stack())
	return t
}

// thrown describes a value that was thrown.
func (e *Engine) thrown(v goja.Value) *Thrown {
	t := &Thrown{value: v}
	if v == nil {
		v = goja.Undefined()
		t.value = v
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		t.Text = v.String()
		return t
	}
	if ex := e.vm.Try(func() { e.describe(t, obj) }); ex != nil && t.Text == "" {
		t.Text = "a value that cannot be shown"
	}
	return t
}

func (e *Engine) describe(t *Thrown, obj *goja.Object) {
	e.tidy(obj)
	if box, ok := obj.GetSymbol(e.goError).(*goja.Object); ok {
		if held, ok := box.Export().(*goErrorBox); ok {
			t.Err = held.err
		}
	}
	if obj.ClassName() != "Error" {
		t.Text = e.show(obj)
		return
	}
	t.Text = obj.String()
	stack := obj.Get("stack")
	if stack == nil || goja.IsUndefined(stack) {
		return
	}
	for _, line := range strings.Split(cleanStack(stack.String()), "\n") {
		if at, ok := strings.CutPrefix(line, "    at "); ok {
			t.Frames = append(t.Frames, at)
		}
	}
}

// show is an object as text: JSON where that says more than "[object Object]".
func (e *Engine) show(obj *goja.Object) string {
	text := obj.String()
	if text != "[object Object]" {
		return text
	}
	data, err := obj.MarshalJSON()
	if err != nil || len(data) > 1000 {
		return text
	}
	return string(data)
}

// frames writes stack frames the way Node does, without those of the engine.
func frames(stack []goja.StackFrame) []string {
	var out []string
	for _, f := range stack {
		pos := f.Position()
		if pos.Filename == "" || internal(pos.Filename) {
			continue
		}
		at := fmt.Sprintf("%s:%d:%d", pos.Filename, pos.Line, pos.Column)
		switch name := f.FuncName(); name {
		case asyncModule, "", "<anonymous>":
		case asyncStart:
			continue
		default:
			at = fmt.Sprintf("%s (%s)", name, at)
		}
		out = append(out, at)
	}
	return out
}

// internal reports whether a file is one of ours, embedded.
func internal(file string) bool { return strings.HasPrefix(file, "brigade:") }

// The functions that the bundler wraps a module into that awaits at its top level.
const (
	asyncModule = "script:script"
	asyncStart  = "__init"
)

var (
	pcSuffix   = regexp.MustCompile(`(:\d+:\d+)\(\d+\)(\)?)$`)
	framePlace = regexp.MustCompile(`([^\s()][^()]*):(\d+):(\d+)\)?$`)
)

// cleanStack turns the engine's stack text into the form that Node gives it.
func cleanStack(stack string) string {
	if !strings.Contains(stack, "\n\tat ") {
		return strings.TrimSuffix(stack, "\n")
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSuffix(stack, "\n"), "\n") {
		at, isFrame := strings.CutPrefix(line, "\tat ")
		if !isFrame {
			out = append(out, line)
			continue
		}
		if strings.HasSuffix(at, "(native)") || strings.Contains(at, "brigade:") || strings.HasPrefix(at, asyncStart+" (") {
			continue
		}
		at = pcSuffix.ReplaceAllString(at, "$1$2")
		if place, ok := strings.CutPrefix(at, asyncModule+" ("); ok {
			at = strings.TrimSuffix(place, ")")
		}
		out = append(out, "    at "+at)
	}
	return strings.Join(out, "\n")
}
