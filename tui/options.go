package tui

import (
	"io"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// View shows one build. Its methods may be called concurrently. Watch is a
// brigade.Watcher.
type View interface {
	// Watch takes the next change. It blocks only as long as a write to the
	// output does.
	Watch(c brigade.Change)
	// Progress tells how far a long piece of work outside of jobs is, such as
	// "installing dependencies", 12, 40. A total of 0 or less means that
	// nobody knows. The work is over, and its line goes, once done reaches a
	// positive total, or with done < 0.
	Progress(label string, done, total int64)
	// Interrupted tells that the person asked to stop for the nth time: 1
	// stops the jobs, 2 kills them.
	Interrupted(n int)
	// Finish shows the result. A nil build or nil jobs mean what was watched.
	// It returns the first error that writing met. Nothing is shown after it.
	Finish(build *brigade.Build, jobs []*brigade.Job) error
	// Close restores the terminal. It may be called at any time, more than
	// once, and belongs into a defer next to New, so that a panic leaves a
	// usable terminal behind.
	Close() error
}

var (
	_ View = (*Live)(nil)
	_ View = (*Plain)(nil)
	_ View = (*JSON)(nil)
)

// Options say where and how to show things. Only Out is required.
type Options struct {
	Out        io.Writer
	Terminal   bool       // Out is a terminal that understands escape sequences
	NoProgress bool       // plain lines even on a terminal
	JSON       bool       // one JSON object per line
	Color      bool       // colours are wanted; Plain and JSON never use any
	ASCII      bool       // the locale is not UTF-8: no symbols beyond ASCII of our own
	Verbose    bool       // also show starts of jobs (Live) and events fired in the script
	Width      func() int // columns of the terminal now; default 80
	Height     func() int // rows of the terminal now; default 24
	Now        func() time.Time
	// Mask hides secrets in what is not log text (that is masked already):
	// specs, notices and failures. Default: as it is.
	Mask func(string) string
	// LogsCommand is what a person types to read all of a job's log. Default:
	// brig build logs BUILD -j JOB.
	LogsCommand func(buildID, job string) string
	// OutputCap is how many bytes of a job's output its last JSON object
	// carries; default brigade.DefaultLogCap.
	OutputCap int
	// Rows is how many jobs the table of the summary lists; default 30.
	Rows int
}

// New returns the view that o asks for: JSON, Live on a terminal, else Plain.
func New(o Options) View {
	switch {
	case o.JSON:
		return NewJSON(o)
	case o.Terminal && !o.NoProgress:
		return NewLive(o)
	}
	return NewPlain(o)
}

func (o Options) withDefaults() Options {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Width == nil {
		o.Width = func() int { return 0 }
	}
	if o.Height == nil {
		o.Height = func() int { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mask == nil {
		o.Mask = func(s string) string { return s }
	}
	if o.LogsCommand == nil {
		o.LogsCommand = func(id, job string) string { return "brig build logs " + id + " -j " + job }
	}
	if o.OutputCap <= 0 {
		o.OutputCap = brigade.DefaultLogCap
	}
	if o.Rows <= 0 {
		o.Rows = 30
	}
	return o
}

// size returns columns and rows, with 80×24 for what is not known and never
// less than a view can work with.
func (o Options) size() (w, h int) {
	w, h = o.Width(), o.Height()
	if w <= 0 {
		w = 80
	}
	if h <= 0 {
		h = 24
	}
	return max(w, 20), max(h, 4)
}

func (o Options) look() look { return look{color: o.Color, ascii: o.ASCII} }

// WantsColor reports whether colours are wanted on a terminal (false for
// terminal is false for colours), following NO_COLOR and TERM.
func WantsColor(getenv func(string) string, terminal bool) bool {
	return terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Animates reports whether a terminal can show a live view: a dumb one cannot.
func Animates(getenv func(string) string, terminal bool) bool {
	return terminal && getenv("TERM") != "dumb"
}

// IsUTF8 reports whether the locale of the environment is a UTF-8 one. goos is
// runtime.GOOS: Windows and macOS terminals are UTF-8 unless told otherwise.
func IsUTF8(getenv func(string) string, goos string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return goos == "windows" || goos == "darwin"
}

// ExitCode is the exit code of a program that ran b: 0 when it succeeded, the
// failure's own code else.
func ExitCode(b *brigade.Build) int {
	switch {
	case b == nil:
		return brigade.ExitInternal
	case b.State == brigade.StateSucceeded:
		return brigade.ExitOK
	case b.State == brigade.StateCanceled:
		return brigade.ExitCanceled
	case b.Failure != nil && b.Failure.Code.ExitCode() != brigade.ExitOK:
		return b.Failure.Code.ExitCode()
	}
	return brigade.ExitBuildFailed
}
