package term

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// page is one screen. Everything but the work runs in one goroutine.
type page interface {
	// title is its place in the path at the top, clean.
	title() string
	// watches is the ID of the build whose changes matter to it; "": all.
	watches() string
	// reads returns the work that brings it up to date, or nil.
	reads() work
	// draw returns at most h lines of at most w columns.
	draw(w, h int) []string
	// bindings are its keys, the most important ones first.
	bindings() []binding
}

// listed is a page with a list that may be longer than what is seen.
type listed interface {
	// place is the number of the selected line, from 1, and how many there
	// are; 0, 0 when all of them are seen.
	place() (at, n int)
}

// work reads, in a goroutine of its own, and returns what puts what was read
// on the page.
type work func(ctx context.Context) (show func(), err error)

// pointed is a page that a mouse can point at.
type pointed interface {
	// click selects what is in that line of what was drawn, or opens it when
	// it was selected.
	click(line int) tea.Cmd
	// wheel scrolls by that many lines.
	wheel(lines int) tea.Cmd
}

// What the model is told, besides what the terminal library tells.
type (
	readMsg struct { // work is done
		page page
		show func()
		err  error
	}
	feedMsg struct { // the feed told something
		generation int
		live       bool // it is connected
		changed    bool
		err        error // why it is not
	}
	doneMsg struct { // an action is done
		text string
		err  error
		then func() tea.Cmd
	}
	tickMsg struct{}
)

// reading is the state of a page's reads: there is one at a time.
type reading struct {
	busy  bool
	again bool // something changed meanwhile
	last  time.Time
	done  bool // it was read at least once
}

// model is the dashboard: a stack of pages and what is around them.
type model struct {
	o     Options
	look  tui.Look
	w, h  int
	stack []page
	reads map[page]*reading

	run        func(f func(ctx context.Context) tea.Msg) tea.Cmd          // calls f in a goroutine
	watch      func(buildID string, generation int) context.CancelFunc    // starts a feed
	after      func(d time.Duration, msg func(time.Time) tea.Msg) tea.Cmd // tea.Tick
	unwatch    context.CancelFunc
	watched    string
	generation int  // of the feed
	live       bool // the feed is connected
	failed     error

	input  *input
	ask    *question
	status status
	mouse  bool
	ground ground
	crumbs []int // where each title in the path ends
	frame  int   // of spinners
	spun   bool  // a spinner was drawn
	bodyAt int   // line in which the page begins
}

// ground is the terminal's background, as far as it is known.
type ground int

const (
	groundUnknown ground = iota
	groundDark
	groundLight
)

// status is a line of text that goes after a while.
type status struct {
	text  string
	bad   bool
	until time.Time
}

// question waits for one of a few keys; any other one is a no.
type question struct {
	text    string
	keys    string // what they do; it is always seen
	answers map[string]func() tea.Cmd
}

func newModel(o Options) *model {
	m := &model{
		o: o, look: o.look(), w: max(o.Width, 0), h: max(o.Height, 0), reads: map[page]*reading{}, mouse: true, after: tea.Tick,
		run:   func(func(context.Context) tea.Msg) tea.Cmd { return nil },
		watch: func(string, int) context.CancelFunc { return func() {} },
	}
	m.stack = []page{newProjects(m)}
	return m
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.arrive(), m.tick())
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		if m.ground = groundLight; msg.IsDark() {
			m.ground = groundDark
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		if m.input != nil {
			m.input.add(msg.Content)
			return m, m.input.changed(m.input.text)
		}
	case tea.MouseClickMsg:
		return m, m.clicked(msg.Mouse())
	case tea.MouseWheelMsg:
		return m, m.wheeled(msg.Mouse())
	case tickMsg:
		return m, m.ticked()
	case readMsg:
		return m, m.arrived(msg)
	case feedMsg:
		return m, m.told(msg)
	case doneMsg:
		return m, m.done(msg)
	}
	return m, nil
}

func (m *model) top() page { return m.stack[len(m.stack)-1] }

// open puts a page on top.
func (m *model) open(p page) tea.Cmd {
	m.stack = append(m.stack, p)
	return m.arrive()
}

// back removes n pages, but never the first.
func (m *model) back(n int) tea.Cmd {
	if len(m.stack) == 1 || n <= 0 {
		return nil
	}
	m.leave(n)
	return m.arrive()
}

// leave removes n pages without looking at what is below.
func (m *model) leave(n int) {
	n = min(n, len(m.stack)-1)
	for _, p := range m.stack[len(m.stack)-n:] {
		delete(m.reads, p)
	}
	m.stack = m.stack[:len(m.stack)-n]
}

// arrive brings the page on top up to date and watches what it shows.
func (m *model) arrive() tea.Cmd {
	p := m.top()
	if id := p.watches(); m.o.Feed != nil && (m.unwatch == nil || id != m.watched) {
		if m.unwatch != nil {
			m.unwatch()
		}
		m.generation++
		m.watched, m.live = id, false
		m.unwatch = m.watch(id, m.generation)
	}
	return m.reload(p)
}

// reload reads what p shows anew. While it is being read already, it is read
// once more after that.
func (m *model) reload(p page) tea.Cmd {
	r := m.reads[p]
	if r == nil {
		r = &reading{}
		m.reads[p] = r
	}
	if r.busy {
		r.again = true
		return nil
	}
	w := p.reads()
	if w == nil {
		r.done = true
		return nil
	}
	r.busy, r.again, r.last = true, false, m.o.Now()
	return m.run(func(ctx context.Context) tea.Msg {
		show, err := w(ctx)
		return readMsg{page: p, show: show, err: err}
	})
}

func (m *model) arrived(msg readMsg) tea.Cmd {
	r := m.reads[msg.page]
	if r == nil {
		return nil // it was left
	}
	r.busy = false
	if msg.page == m.top() {
		m.failed = msg.err
	}
	if msg.err == nil {
		r.done = true
		msg.show()
	}
	if r.again && msg.page == m.top() {
		return m.reload(msg.page)
	}
	return nil
}

func (m *model) told(msg feedMsg) tea.Cmd {
	if msg.generation != m.generation {
		return nil
	}
	m.live = msg.live
	if msg.changed || !msg.live {
		return m.reload(m.top())
	}
	return nil
}

func (m *model) done(msg doneMsg) tea.Cmd {
	if msg.err != nil {
		m.fail(msg.err)
		return m.reload(m.top())
	}
	m.say(msg.text)
	if msg.then != nil {
		return msg.then()
	}
	return m.reload(m.top())
}

// tick asks for the next frame: soon while something moves.
func (m *model) tick() tea.Cmd {
	d := time.Second
	if m.spun {
		d = time.Second / 8
	}
	return m.after(min(d, m.o.Interval), func(time.Time) tea.Msg { return tickMsg{} })
}

func (m *model) ticked() tea.Cmd {
	m.frame++
	now := m.o.Now()
	if !m.status.until.IsZero() && now.After(m.status.until) {
		m.status = status{}
	}
	every := m.o.Interval
	if m.live && m.failed == nil {
		every = max(every, safely)
	}
	if r := m.reads[m.top()]; r != nil && !r.busy && now.Sub(r.last) >= every {
		return tea.Batch(m.tick(), m.reload(m.top()))
	}
	return m.tick()
}

// say shows a text for a few seconds.
func (m *model) say(text string) {
	m.status = status{text: tui.Clean(text, false), until: m.o.Now().Add(5 * time.Second)}
}

// fail shows what went wrong, and what to do about it.
func (m *model) fail(err error) {
	m.status = status{text: errorText(err), bad: true, until: m.o.Now().Add(10 * time.Second)}
}

// do has an action done elsewhere.
func (m *model) do(act func(ctx context.Context) doneMsg) tea.Cmd {
	return m.run(func(ctx context.Context) tea.Msg { return act(ctx) })
}

// errorText is an error in one line, with its hint.
func errorText(err error) string {
	text := err.Error()
	var e *brigade.Error
	if errors.As(err, &e) {
		if text = e.Message; e.Hint != "" {
			text += " (" + e.Hint + ")"
		}
	}
	return tui.Clean(text, false)
}
