package term

import (
	"context"
	"sort"
	"strings"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

const (
	logPage  = 5000    // lines that are read at once
	mostLog  = 200_000 // lines that are kept in memory
	dropLog  = 20_000  // lines that are dropped at once beyond that
	mostRows = 500     // rows of one wrapped line
)

// logPane is the page of one log.
type logPane struct {
	m       *model
	b       *brigade.Build
	jobs    []*brigade.Job
	jobID   string // "" is the script's
	lines   []brigade.LogLine
	dropped int // lines before them that are not kept any more

	at     spot // the first one that is shown
	follow bool // the end is shown
	wrap   bool
	times  bool
	left   int // columns that are out of sight
	w, h   int // as drawn
	rowsH  int // rows of log as drawn

	search search
}

// spot is a row of a line.
type spot struct{ line, row int }

func (s spot) before(o spot) bool { return s.line < o.line || s.line == o.line && s.row < o.row }

var _ pointed = (*logPane)(nil)

func newLog(m *model, b *brigade.Build, jobs []*brigade.Job, j *brigade.Job) *logPane {
	p := &logPane{m: m, b: b, jobs: jobs, follow: true, wrap: true}
	if j != nil {
		p.jobID = j.ID
	}
	return p
}

func (p *logPane) title() string {
	if j := p.job(); j != nil {
		return tui.Clean(j.Name, false)
	}
	return scriptName
}

func (p *logPane) watches() string { return p.b.ID }

func (p *logPane) job() *brigade.Job {
	for _, j := range p.jobs {
		if j.ID == p.jobID {
			return j
		}
	}
	return nil
}

func (p *logPane) reads() work {
	data, q := p.m.o.Data, brigade.LogQuery{BuildID: p.b.ID, JobID: p.jobID, Limit: logPage}
	if n := len(p.lines); n > 0 {
		q.After = p.lines[n-1].Seq
	}
	return func(ctx context.Context) (func(), error) {
		b, err := readBuild(ctx, data, q.BuildID)
		if err != nil {
			return nil, err
		}
		jobs, err := data.ListJobs(ctx, q.BuildID)
		if err != nil {
			return nil, err
		}
		lines, err := data.ReadLog(ctx, q)
		if err != nil {
			return nil, err
		}
		return func() {
			p.b, p.jobs = b, jobs
			if q.JobID != p.jobID {
				return
			}
			p.add(lines)
			p.m.reads[p].again = p.m.reads[p].again || len(lines) == logPage
		}, nil
	}
}

// add takes lines that follow those that are there. What would be too much is
// dropped at the beginning.
func (p *logPane) add(lines []brigade.LogLine) {
	p.lines = append(p.lines, lines...)
	if len(p.lines) > mostLog+dropLog {
		n := len(p.lines) - mostLog
		p.lines = append([]brigade.LogLine{}, p.lines[n:]...)
		p.dropped += n
		p.at.line = max(p.at.line-n, 0)
		p.search.dropped(n)
	}
	p.search.look(p.lines)
}

// rows are the rows that a line takes.
func (p *logPane) rows(i int) []string {
	m := p.m
	text := m.logText(p.lines[i])
	if p.search.text != "" {
		text = p.search.mark(text, i, p.m.look)
	}
	w := p.w - 1
	stamp := ""
	if p.times {
		stamp = m.look.Dim(p.lines[i].Time.Local().Format("15:04:05.000")) + " "
		w = max(w-13, 8)
	}
	if !p.wrap {
		return []string{stamp + tui.Slice(text, p.left, w)}
	}
	rows := tui.Wrap(text, w, mostRows, m.look.Ellipsis())
	for j := range rows {
		rows[j] = stamp + rows[j]
		if stamp != "" && j == 0 {
			stamp = strings.Repeat(" ", 13)
		}
	}
	return rows
}

// step returns the spot n rows below s, or above it with n < 0.
func (p *logPane) step(s spot, n int) spot {
	for ; n > 0; n-- {
		if s.row+1 < len(p.rows(s.line)) {
			s.row++
		} else if s.line+1 < len(p.lines) {
			s = spot{s.line + 1, 0}
		}
	}
	for ; n < 0; n++ {
		if s.row > 0 {
			s.row--
		} else if s.line > 0 {
			s = spot{s.line - 1, len(p.rows(s.line-1)) - 1}
		}
	}
	return s
}

// bottom is the spot from which the last line is the last one to be seen.
func (p *logPane) bottom() spot {
	n := len(p.lines)
	if n == 0 {
		return spot{}
	}
	return p.step(spot{n - 1, len(p.rows(n-1)) - 1}, -(p.rowsH - 1))
}

func (p *logPane) draw(w, h int) []string {
	m := p.m
	p.w, p.h, p.rowsH = w, h, max(h-1, 1)
	lines := []string{p.head(w)}
	if len(p.lines) == 0 {
		text := " nothing printed yet"
		if p.whole() {
			text = " it printed nothing"
		}
		return append(lines, m.look.Dim(text))
	}
	last := p.bottom()
	if p.follow || last.before(p.at) {
		p.at = last
	}
	p.at.row = min(p.at.row, len(p.rows(p.at.line))-1)
	from := p.at
	for i := from.line; i < len(p.lines) && len(lines) < h; i++ {
		rows := p.rows(i)
		if i == from.line {
			rows = rows[from.row:]
		}
		for _, row := range rows {
			if len(lines) < h {
				lines = append(lines, " "+row)
			}
		}
	}
	return lines
}

// whole reports whether nothing more will be printed.
func (p *logPane) whole() bool {
	j := p.job()
	return p.b.State.Ended() || j != nil && j.State.Ended()
}

// head says how the job is, and how much of its log is seen.
func (p *logPane) head(w int) string {
	m := p.m
	now := m.o.Now()
	var left string
	if j := p.job(); j != nil {
		left = m.symbol(j.State) + " " + m.look.State(j.State, stateWord(j.State))
		if j.State == brigade.StateFailed && j.ExitCode != 0 {
			left += m.look.State(j.State, " with exit code "+count(j.ExitCode))
		}
		left += m.look.Dim(prefixed("  ", took(j.Started, j.Ended, now)))
		if w >= 60 {
			left += m.look.Dim(prefixed("  ", tui.ShortImage(j.Spec.Image)))
		}
		if j.Truncated {
			left += m.look.Warn("  cut at the limit")
		}
	} else {
		left = m.state(p.b, now) + m.look.Dim(prefixed("  ", took(p.b.Started, p.b.Ended, now)))
	}
	var right []string
	if p.search.text != "" {
		right = append(right, m.look.Accent(tui.Cut("/"+p.search.text, w/3, m.look.Ellipsis())+" "+p.search.place()))
	}
	if p.left > 0 {
		right = append(right, m.look.Dim("+"+count(p.left)))
	}
	n := len(p.lines) + p.dropped
	switch {
	case p.follow && !p.whole() && w >= 50:
		right = append(right, m.look.Accent("following"), m.look.Dim(lineCount(n)))
	case p.follow:
		right = append(right, m.look.Dim(lineCount(n)))
	default:
		right = append(right, m.look.Dim(count(p.at.line+p.dropped+1)+" of "+lineCount(n)))
	}
	end := strings.Join(right, "  ")
	return " " + tui.Pad(tui.Cut(left, w-tui.Width(end)-4, m.look.Ellipsis()), w-tui.Width(end)-2, false) + end
}

func lineCount(n int) string {
	if n == 1 {
		return "1 line"
	}
	return count(n) + " lines"
}

// move goes n rows down, or up with n < 0. At the end it follows.
func (p *logPane) move(n int) tea.Cmd {
	if len(p.lines) == 0 {
		return nil
	}
	last := p.bottom()
	if p.follow {
		p.at = last
	}
	p.at = p.step(p.at, n)
	p.follow = !p.at.before(last)
	return nil
}

func (p *logPane) toEnd() tea.Cmd {
	p.follow = true
	return nil
}

func (p *logPane) toStart() tea.Cmd {
	p.at, p.follow = spot{}, p.follow && len(p.lines) == 0
	return nil
}

// sideways scrolls lines that are not wrapped, and leaves the page at its left
// end.
func (p *logPane) sideways(n int) tea.Cmd {
	if p.wrap || n < 0 && p.left == 0 {
		if n < 0 {
			return p.m.back(1)
		}
		return nil
	}
	p.left = max(p.left+n*max(p.w/4, 4), 0)
	return nil
}

// other shows the log of the nth job after this one.
func (p *logPane) other(n int) tea.Cmd {
	at := 0 // the script
	for i, j := range p.jobs {
		if j.ID == p.jobID {
			at = i + 1
		}
	}
	all := len(p.jobs) + 1
	at = (at + n + all) % all
	p.jobID = ""
	if at > 0 {
		p.jobID = p.jobs[at-1].ID
	}
	p.lines, p.dropped, p.at, p.follow, p.left = nil, 0, spot{}, true, 0
	p.search = search{text: p.search.text, at: -1}
	return p.m.reload(p)
}

func (p *logPane) bindings() []binding {
	toggle := func(what *bool) func() tea.Cmd {
		return func() tea.Cmd {
			*what = !*what
			p.at.row, p.left = 0, 0
			return nil
		}
	}
	page := func(share int) func() tea.Cmd { return func() tea.Cmd { return p.move(share * max(p.rowsH-1, 1)) } }
	half := func(n int) func() tea.Cmd { return func() tea.Cmd { return p.move(n * max(p.rowsH/2, 1)) } }
	id := func() string {
		if p.jobID != "" {
			return p.jobID
		}
		return p.b.ID
	}
	keys := []binding{
		bind("/", "find", "look for a text; capital letters count when there are any", p.find),
		bind("n", "next", "to the next line with the text", func() tea.Cmd { return p.next(1) }),
		bind("N", "", "to the one before", func() tea.Cmd { return p.next(-1) }),
		bind("w", "wrap", "wrap long lines or not", toggle(&p.wrap)),
		bind("G end f", "follow", "to the end, and stay there", p.toEnd),
		bind("g home", "", "to the start", p.toStart),
		bind("t", "times", "show when lines were printed", toggle(&p.times)),
		bind("tab ]", "next job", "the log of the next job", func() tea.Cmd { return p.other(1) }),
		bind("shift+tab [", "", "the log of the job before", func() tea.Cmd { return p.other(-1) }),
		bind("down j enter ctrl+n", "", "down", func() tea.Cmd { return p.move(1) }),
		bind("up k ctrl+p", "", "up", func() tea.Cmd { return p.move(-1) }),
		bind("ctrl+d", "", "half a page down", half(1)),
		bind("ctrl+u", "", "half a page up", half(-1)),
		bind("pgdown ctrl+f space", "", "a page down", page(1)),
		bind("pgup ctrl+b", "", "a page up", page(-1)),
		bind("left h", "", "to the left, and back", func() tea.Cmd { return p.sideways(-1) }),
		bind("right l", "", "to the right, where lines are not wrapped", func() tea.Cmd { return p.sideways(1) }),
	}
	if p.search.text != "" {
		keys = append(keys, bind("esc", "", "no text is looked for any more", func() tea.Cmd {
			p.search = search{}
			return nil
		}))
	}
	return append(keys, p.m.buildKeys(func() *brigade.Build { return p.b }, id)...)
}

func (p *logPane) click(int) tea.Cmd       { return nil }
func (p *logPane) wheel(lines int) tea.Cmd { return p.move(lines) }

// find has a text typed and goes to the first line with it, from what is seen.
func (p *logPane) find() tea.Cmd {
	from, followed := p.at, p.follow
	if len(p.lines) > 0 && followed {
		from = p.bottom()
	}
	set := func(text string) tea.Cmd {
		p.search = search{text: text, at: -1}
		p.search.look(p.lines)
		p.at, p.follow = from, followed
		if text != "" && len(p.search.lines) > 0 {
			i := sort.SearchInts(p.search.lines, from.line)
			p.goTo(i % len(p.search.lines))
		}
		return nil
	}
	p.m.input = &input{mark: "/", changed: set, ended: func(text string, ok bool) tea.Cmd {
		if !ok {
			return set("")
		}
		if text != "" && len(p.search.lines) == 0 {
			p.m.say("no line has “" + text + "”")
		}
		return nil
	}}
	return nil
}

// next goes to the nth match after the one that is seen.
func (p *logPane) next(n int) tea.Cmd {
	all := len(p.search.lines)
	if all == 0 {
		if p.search.text != "" {
			p.m.say("no line has “" + p.search.text + "”")
		}
		return nil
	}
	p.goTo(((p.search.at+n)%all + all) % all)
	return nil
}

// goTo shows the match with that number a third down the page.
func (p *logPane) goTo(i int) {
	p.search.at = i
	p.follow = false
	p.at = p.step(spot{p.search.lines[i], 0}, -p.rowsH/3)
}
