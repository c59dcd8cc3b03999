package web

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// A log is folded where its lines say what they belong to: where the shell
// shows a task of the job before it runs it (set -x), and between the marks of
// groups that tools for other systems print, too.

const (
	maxSections   = 2000
	maxTaskLength = 4 << 10 // bytes of a task that are looked at
)

// section is a part of a log: the line with its title, and those that follow.
type section struct {
	From int64  `json:"from"`
	To   int64  `json:"to"` // the last one
	Open bool   `json:"open,omitempty"`
	Name string `json:"name"`
	Kind string `json:"kind"` // task or group
	// Told says that the line with which it begins does not show the name.
	Told bool `json:"told,omitempty"`
}

var (
	groupBegin = lazyregexp.New(`^(?:::group::|##\[group\])(.*)`)
	groupEnd   = lazyregexp.New(`^(?:::endgroup::|##\[endgroup\])`)
	// GitLab's runners: section_start:1700000000:name[collapsed=true]\r\e[0KTitle
	gitlabMark = lazyregexp.New(`section_(start|end):\d+:([\w.-]+)(?:\[[^\]]*\])?\r?(?:\x1b\[0K)?([^\r\x1b]*)`)
)

// sectioner finds the sections of a log, line by line.
type sectioner struct {
	tasks []string         // in the order in which they run
	begin map[int64]string // of the tasks that the job tells of: the first line → the task
	next  int              // the first task that has not begun
	list  []section
	task  int // index of the section of the task that runs; -1: none
	group int // the same of a group
	last  int64
}

func newSectioner(tasks []string) *sectioner {
	s := &sectioner{task: -1, group: -1}
	for _, t := range tasks {
		s.tasks = append(s.tasks, shellWords(cut(t, maxTaskLength)))
	}
	return s
}

func (s *sectioner) full() bool { return len(s.list) >= maxSections }

// line takes the next line of the log.
func (s *sectioner) line(n int64, text string) {
	if task, begins := s.begin[n]; begins {
		s.endGroup(n - 1)
		s.end(&s.task, n-1)
		if s.task = s.open(n, task, "task"); s.task >= 0 {
			s.list[s.task].Told = true
		}
	}
	if m := gitlabMark.FindStringSubmatch(cut(text, maxTaskLength)); m != nil {
		if m[1] == "end" {
			s.endGroup(n)
		} else {
			s.beginGroup(n, firstOf(strings.TrimSpace(m[3]), m[2]))
		}
		s.last = n
		return
	}
	shown := cut(plain(text), maxTaskLength)
	switch {
	case groupEnd.MatchString(shown):
		s.endGroup(n)
	case strings.HasPrefix(shown, "::group::") || strings.HasPrefix(shown, "##[group]"):
		s.beginGroup(n, firstOf(strings.TrimSpace(groupBegin.FindStringSubmatch(shown)[1]), "group"))
	case strings.HasPrefix(shown, "+ "):
		s.trace(n, shown[2:])
	}
	s.last = n
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s *sectioner) beginGroup(n int64, name string) {
	s.endGroup(n - 1) // they are not nested
	s.group = s.open(n, name, "group")
}

func (s *sectioner) endGroup(n int64) { s.end(&s.group, n) }

func (s *sectioner) open(n int64, name, kind string) int {
	if s.full() {
		return -1
	}
	s.list = append(s.list, section{From: n, To: n, Open: true, Name: cutRunes(name, 200), Kind: kind})
	return len(s.list) - 1
}

func (s *sectioner) end(which *int, n int64) {
	if *which >= 0 {
		one := &s.list[*which]
		one.To, one.Open = max(n, one.From), false
	}
	*which = -1
}

// trace begins the section of a task when the shell shows that it runs it. The
// shell has put in the values of variables, and taken quotes away.
func (s *sectioner) trace(n int64, command string) {
	words := shellWords(command)
	for i := s.next; i < len(s.tasks); i++ {
		if !sameCommand(s.tasks[i], words) {
			continue
		}
		s.next = i + 1
		s.endGroup(n - 1)
		s.end(&s.task, n-1)
		s.task = s.open(n, command, "task")
		return
	}
}

// told has sections begin where the job tells that its tasks do.
func (s *sectioner) told(tasks []string, parts []brigade.LogPart) {
	s.begin = make(map[int64]string, len(parts))
	for _, p := range parts {
		if p.Task >= 1 && p.Task <= len(tasks) {
			first, _, more := strings.Cut(strings.TrimSpace(tasks[p.Task-1]), "\n")
			if more {
				first += " …"
			}
			s.begin[p.Line] = first
		}
	}
}

// sections are those that were found until now. The ones that have not ended
// go on to the last line.
func (s *sectioner) sections() []section {
	list := append([]section{}, s.list...)
	for i := range list {
		if list[i].Open {
			list[i].To = s.last
		}
	}
	return list
}

// shellWords are the words of the first command of a text, without quotes.
func shellWords(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.Join(strings.Fields(strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(first)), " ")
}

// sameCommand reports whether the shell would show a task like this: word by
// word the same up to the first one that it computes.
func sameCommand(task, shown string) bool {
	if task == "" || task == shown {
		return task != ""
	}
	want, got := strings.Fields(task), strings.Fields(shown)
	for i, word := range want {
		if strings.ContainsAny(word, "$`*?[{~<>|&;(") {
			return i > 0 || strings.ContainsAny(word[:1], "$`")
		}
		if i >= len(got) || got[i] != word {
			return false
		}
	}
	return len(got) == len(want)
}

// logSections answers with the sections of a log.
func logSections(c *call) error {
	l, j, b, err := c.logOwner()
	if err != nil {
		return err
	}
	var tasks []string
	var parts []brigade.LogPart
	if j != nil {
		m, err := c.web.hiders.Of(c.ctx(), b.ProjectID)
		if err != nil {
			return err
		}
		if err := hideJob(m, j); err != nil {
			return err
		}
		tasks, parts = j.Spec.Tasks, j.Parts
	}
	until, err := strconv.ParseInt(c.r.URL.Query().Get("until"), 10, 64)
	if err != nil || until <= 0 {
		until = 1 << 62
	}
	s := newSectioner(tasks)
	s.told(tasks, parts)
	ctx, cancel := context.WithTimeout(c.ctx(), searchBudget)
	defer cancel()
	err = l.each(ctx, c.web.opt.Store, func(line brigade.LogLine) error {
		if line.Seq > until || s.full() {
			return errEnough
		}
		s.line(line.Seq, line.Text)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) && (!errors.Is(err, context.DeadlineExceeded) || c.ctx().Err() != nil) {
		return err
	}
	return c.json(map[string]any{"sections": s.sections(), "last": s.last})
}

// titled is a line as it is shown: of the marks of groups the titles.
func titled(text string) string {
	switch {
	case strings.HasPrefix(text, "::endgroup::"), strings.HasPrefix(text, "##[endgroup]"):
		return ""
	case strings.HasPrefix(text, "::group::"):
		return "\x1b[1m" + strings.TrimPrefix(text, "::group::")
	case strings.HasPrefix(text, "##[group]"):
		return "\x1b[1m" + strings.TrimPrefix(text, "##[group]")
	case strings.HasPrefix(text, "section_"):
		if m := gitlabMark.FindStringIndex(text); m != nil && m[0] == 0 {
			return "\x1b[1m" + gitlabMark.ReplaceAllString(text, "$3")
		}
	}
	return text
}
