package dispatch

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// A job's log is folded per task. For that its shell prints a mark before each
// task: an escape sequence that nobody sees, and that is taken out again before
// the output gets to the script, the store or anybody. Marks are added to jobs
// of runners whose output only passes through here, and to plain tasks only: a
// task that looks at its shell, or that ends in the middle of something, runs
// exactly as it is written.

const (
	markBegin = "\x1b]7777;"
	markEnd   = '\a'
	maxMark   = len(markBegin) + 8
	maxParts  = 2000 // of one job that are kept
)

// markedRunners are those whose output nobody but the dispatcher reads. A pod's
// log is also read by others, and its main.sh is as v1 writes it.
var markedRunners = map[string]bool{"process": true, "docker": true}

// marked are the job's tasks with marks; the tasks themselves when it is to
// get none. A mark and its task share a line, for the numbers in messages of
// the shell.
func marked(runner string, spec *brigade.JobSpec) []string {
	if !markedRunners[runner] || len(spec.Tasks) < 2 || spec.Shell != "/bin/sh" && spec.Shell != "/bin/bash" {
		return spec.Tasks
	}
	tasks := make([]string, len(spec.Tasks))
	for i, task := range spec.Tasks {
		if !plainTask(task) {
			return spec.Tasks
		}
		tasks[i] = fmt.Sprintf(`printf '\033]7777;%d\007'; %s`, i+1, task)
	}
	return tasks
}

// shellState are words that a task may contain which looks at, or changes, what
// a mark before another one would touch: its shell's options and outputs, its
// last exit code, how it is traced.
var shellState = []string{"<<", "exec", "set", "trap", "$?", "$_", "${?", "${_", "LINENO", "PIPESTATUS", "DEBUG", "alias", "printf()", "printf ()"}

// plainTask reports whether a task is whole by itself, as far as can be told
// without its shell; when in doubt it is not.
func plainTask(task string) bool {
	task = strings.TrimSpace(task)
	if task == "" || strings.ContainsAny(task[:1], "#&|;)") {
		return false
	}
	for _, word := range shellState {
		if strings.Contains(task, word) {
			return false
		}
	}
	words, whole := unquoted(task)
	if !whole || strings.HasSuffix(words, "&&") || strings.HasSuffix(words, "|") || strings.HasSuffix(words, `\`) || strings.Contains(words, "#") {
		return false
	}
	return balanced(words)
}

// unquoted is the text without what is in quotes, and whether all quotes end.
func unquoted(task string) (words string, whole bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(task); i++ {
		c := task[i]
		switch {
		case quote == 0 && (c == '\'' || c == '"' || c == '`'):
			quote = c
			b.WriteByte('q') // something is there
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(task):
			i++
		case quote == 0:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String()), quote == 0
}

// pairs are what has to be closed in the task that opens it.
var pairs = map[string]string{"if": "fi", "do": "done", "case": "esac", "{": "}", "(": ")"}

// balanced reports whether every word and bracket of pairs is closed.
func balanced(words string) bool {
	words = strings.NewReplacer("(", " ( ", ")", " ) ", "${", " { ", "}", " } ", ";", " ", "&", " ", "|", " ").Replace(words)
	var open []string
	for _, word := range strings.Fields(words) {
		if end, begins := pairs[word]; begins {
			open = append(open, end)
			continue
		}
		for _, end := range pairs {
			if word != end {
				continue
			}
			if len(open) == 0 || open[len(open)-1] != end {
				return false
			}
			open = open[:len(open)-1]
		}
	}
	return len(open) == 0
}

// shownMark is a mark on its way through the masking and the cutting into
// lines, which leave colours alone: it is put before what a task prints first.
func shownMark(task int) string { return fmt.Sprintf("\x1b[7777;%dm", task) }

// takeMark takes the mark from the begin of a line. The task is 0 without one.
func takeMark(text string) (task int, rest string) {
	after, found := strings.CutPrefix(text, "\x1b[7777;")
	number, rest, ended := strings.Cut(after, "m")
	task, err := strconv.Atoi(number)
	if !found || !ended || err != nil {
		return 0, text
	}
	return task, rest
}

// markReader takes marks out of what a job prints. It hands on what remains:
// as it is to plain, and to shown with a mark at the begin of the first line of
// each task.
type markReader struct {
	plain, shown func([]byte)

	held    []byte // what may become a mark
	next    int    // the task whose output is to come, 0: it came already
	task    int    // the one to which the line being read is the first
	inLine  bool
	restart bool // a \r came: what follows may begin the line again
}

func (m *markReader) write(p []byte) {
	if len(m.held) > 0 {
		p = append(m.held, p...)
		m.held = nil
	}
	for len(p) > 0 {
		at := bytes.IndexByte(p, markBegin[0])
		if at < 0 {
			m.text(p)
			return
		}
		m.text(p[:at])
		p = p[at:]
		task, size := readMark(p)
		switch {
		case size > 0:
			m.next = task
			p = p[size:]
		case size == 0: // no mark
			m.text(p[:1])
			p = p[1:]
		default: // perhaps one
			m.held = bytes.Clone(p)
			return
		}
	}
}

// readMark reads a mark at the begin of p. The size is 0 when there is none,
// and below it when p ends before that can be told.
func readMark(p []byte) (task, size int) {
	known := min(len(p), len(markBegin))
	if string(p[:known]) != markBegin[:known] {
		return 0, 0
	}
	end := bytes.IndexByte(p, markEnd)
	if end < 0 || end > maxMark {
		if len(p) > maxMark {
			return 0, 0
		}
		return 0, -1
	}
	task, err := strconv.Atoi(string(p[len(markBegin):end]))
	if err != nil || task <= 0 {
		return 0, 0
	}
	return task, end + 1
}

// close hands on what did not become a mark.
func (m *markReader) close() {
	held := m.held
	m.held = nil
	m.text(held)
}

// text takes output without marks.
func (m *markReader) text(p []byte) {
	if len(p) == 0 {
		return
	}
	m.plain(p)
	for len(p) > 0 {
		switch {
		case !m.inLine && m.next > 0:
			m.task, m.next = m.next, 0
			m.shown([]byte(shownMark(m.task)))
		case m.restart && m.task > 0 && p[0] != '\n':
			m.shown([]byte(shownMark(m.task)))
		}
		m.inLine, m.restart = true, false
		end := bytes.IndexAny(p, "\r\n") + 1
		switch {
		case end == 0:
			end = len(p)
		case p[end-1] == '\n':
			m.inLine, m.task = false, 0
		default:
			m.restart = true
		}
		m.shown(p[:end])
		p = p[end:]
	}
}
