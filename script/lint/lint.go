// Package lint looks for mistakes in a script before it runs: it reads it for
// what would fail or surprise later, loads it, and tries its handlers with jobs
// that only play. It is careful to be right: what it is not sure of it does not
// report.
package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/script/engine"
)

// Level is how bad a finding is.
type Level string

// The levels: an error fails builds, a warning is about what most likely is
// not meant, a note is worth knowing.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Note    Level = "note"
)

// Finding is one thing that was found: at a place of a file, or about what a
// handler and its jobs do. Line and Column count from 1; 0 is for no place.
type Finding struct {
	File    string `json:"file"`
	Event   string `json:"event,omitempty"`
	Job     string `json:"job,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Level   Level  `json:"level"`
	Code    string `json:"code"` // stable: programs and comments may name it
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Options say what to look at.
type Options struct {
	Script string // the text
	File   string // its name, relative to Root
	Root   string // the directory against which local modules resolve
	// Modules is the node_modules directory with dependencies, "" for none.
	Modules string
	Env     map[string]string // process.env
	// Events are the types that gateways send; those that end with ":" are
	// followed by a word of the sender's. Without any, no event is reported.
	Events []string
	// Project is whose script it is, to check what it asks the project for; nil
	// when that is not known.
	Project *brigade.Project
	// Payloads are what handlers are tried with, by event; without one it is an
	// example or an empty object.
	Payloads map[string]string
	// Patience is how long the script may take to load, and each handler to
	// end; default 20 s.
	Patience time.Duration
}

// Script looks at a script and at the local files that it imports, and returns
// what it found in the order of files and lines. The error is the context's.
func Script(ctx context.Context, o Options) ([]Finding, error) {
	if o.Patience <= 0 {
		o.Patience = patience
	}
	if o.Root != "" {
		abs, err := filepath.Abs(o.Root)
		if err != nil {
			return nil, fmt.Errorf("find the script's directory: %w", err)
		}
		o.Root = abs
	}
	c := &checker{opts: o, texts: map[string]string{}}
	if strings.TrimSpace(o.Script) == "" {
		return []Finding{{File: o.File, Level: Error, Code: "empty", Message: "the script is empty", Hint: "brig init writes one to start from"}}, nil
	}
	loaded, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	c.files(loaded)
	if loaded {
		if err := c.rehearse(ctx); err != nil {
			return nil, err
		}
	}
	if loaded && len(c.handlers) == 0 && c.handlersKnown {
		c.add(Finding{File: o.File, Level: Warning, Code: "no-handler",
			Message: "the script has no handler: no event makes it do anything",
			Hint:    `write events.on("push", async (event, project) => { … })`})
	}
	return c.sorted(), nil
}

// checker gathers findings.
type checker struct {
	opts          Options
	found         []Finding
	texts         map[string]string // of the files that were read
	handlers      []string          // the events that the loaded script listens to
	handlersKnown bool
	requests      noRequests
}

func (c *checker) add(f Finding) { c.found = append(c.found, f) }

// ignoreComment matches what silences findings of its line and of the next.
var ignoreComment = lazyregexp.New(`(?://|/\*)\s*brig-lint-ignore\b([^*\n]*)`)

// sorted are the findings nobody wants to ignore, each once.
func (c *checker) sorted() []Finding {
	c.found = slices.DeleteFunc(c.found, c.ignored)
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(c.rank(a.File)-c.rank(b.File), cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Event, b.Event), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Code, b.Code))
	})
	return slices.Compact(c.found)
}

// rank puts the script before its modules.
func (c *checker) rank(file string) int {
	if file == c.opts.File {
		return 0
	}
	return 1
}

func (c *checker) ignored(f Finding) bool {
	lines := strings.Split(c.texts[f.File], "\n")
	for _, n := range []int{f.Line, f.Line - 1} {
		if n < 1 || n > len(lines) {
			continue
		}
		m := ignoreComment.FindStringSubmatch(lines[n-1])
		if m == nil {
			continue
		}
		codes := strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\r' })
		if len(codes) == 0 || slices.Contains(codes, f.Code) {
			return true
		}
	}
	return false
}

// maxFiles is how many local files are looked at.
const maxFiles = 200

// files reads the script and the local modules it imports. Mistakes that keep
// a file from being read are load's to report, unless nothing loads it.
func (c *checker) files(loaded bool) {
	main := filepath.ToSlash(c.opts.File)
	c.texts[main] = c.opts.Script
	queue, seen := []string{main}, map[string]bool{main: true}
	for len(queue) > 0 && len(seen) <= maxFiles {
		name := queue[0]
		queue = queue[1:]
		tree, err := engine.Parse(name, c.texts[name])
		if err != nil {
			if loaded {
				c.add(failureOf(name, err))
			}
			continue
		}
		p := newProgram(name, tree)
		c.jobs(p)
		c.events(p)
		for _, spec := range p.locals() {
			if file, text, ok := c.local(name, spec); ok && !seen[file] {
				seen[file] = true
				c.texts[file] = text
				queue = append(queue, file)
			}
		}
	}
}

// local finds a module of the script's own: by its name, with an ending, or as
// a directory.
func (c *checker) local(from, spec string) (name, text string, ok bool) {
	if c.opts.Root == "" {
		return "", "", false
	}
	root, err := os.OpenRoot(c.opts.Root)
	if err != nil {
		return "", "", false
	}
	defer func() { _ = root.Close() }()
	base := path.Join(path.Dir(from), spec)
	for _, ending := range []string{"", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", "/index.js", "/index.ts"} {
		file := base + ending
		info, err := root.Stat(filepath.FromSlash(file))
		if err != nil || !info.Mode().IsRegular() || info.Size() > brigade.MaxScriptBytes {
			continue
		}
		if path.Ext(file) == ".json" || strings.Contains(file, "node_modules/") {
			return "", "", false
		}
		text, err := root.ReadFile(filepath.FromSlash(file))
		return file, string(text), err == nil
	}
	return "", "", false
}

// messagePlace matches the place that a message begins with, and stackPlace
// the first one of a stack.
var (
	messagePlace = lazyregexp.New(`^([^\s:]+):(\d+):(?:(\d+):)? `)
	stackPlace   = lazyregexp.New(`\n\s+at (?:.*\()?([^\s()]+):(\d+):(\d+)\)?`)
)

// failureOf makes a finding of the error of a script that does not load.
func failureOf(file string, err error) Finding {
	f := Finding{File: file, Level: Error, Code: "load", Message: err.Error()}
	var public *brigade.Error
	if errors.As(err, &public) {
		f.Message, f.Hint = public.Message, public.Hint
		if public.Code == brigade.CodeModule {
			f.Code = "missing-module"
		}
	}
	text := f.Message
	f.Message, _, _ = strings.Cut(text, "\n")
	if m := messagePlace.FindStringSubmatch(f.Message); m != nil {
		f.File, f.Line, f.Column = m[1], number(m[2]), number(m[3])
		f.Message = f.Message[len(m[0]):]
	} else if m := stackPlace.FindStringSubmatch(text); m != nil {
		f.File, f.Line, f.Column = m[1], number(m[2]), number(m[3])
	}
	return f
}

func number(text string) int {
	n := 0
	for _, r := range text {
		n = n*10 + int(r-'0')
	}
	return n
}
