package term

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

const (
	scriptName = "brigade.js" // how the script is called among the jobs
	tailLines  = 40           // of the selected log
)

// build is the page of one build: what it is about, its script and jobs over
// time, and the end of the log of what is selected.
type build struct {
	m    *model
	b    *brigade.Build
	jobs []*brigade.Job
	list list   // 0 is the script
	pick string // ID of the selected job; "": the script
	tail []brigade.LogLine
	of   string // whose tail that is
	head int    // lines above the first row
}

var (
	_ pointed = (*build)(nil)
	_ listed  = (*build)(nil)
)

func newBuild(m *model, b *brigade.Build) *build { return &build{m: m, b: b} }

func (p *build) title() string   { return short(p.b.ID) }
func (p *build) watches() string { return p.b.ID }

func (p *build) reads() work {
	data, id, pick := p.m.o.Data, p.b.ID, p.pick
	return func(ctx context.Context) (func(), error) {
		b, err := readBuild(ctx, data, id)
		if err != nil {
			return nil, err
		}
		jobs, err := data.ListJobs(ctx, id)
		if err != nil {
			return nil, err
		}
		tail, err := data.ReadLog(ctx, brigade.LogQuery{BuildID: id, JobID: pick, Tail: tailLines})
		if err != nil {
			return nil, err
		}
		return func() {
			p.b, p.jobs, p.tail, p.of = b, jobs, tail, pick
			for i, j := range jobs {
				if j.ID == p.pick {
					p.list.at = i + 1
				}
			}
		}, nil
	}
}

// readBuild finds a build by its whole ID, without what may be large.
func readBuild(ctx context.Context, data Data, id string) (*brigade.Build, error) {
	page, err := data.ListBuilds(ctx, brigade.BuildFilter{Before: id + "\x7f", Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page) == 0 || page[0].ID != id {
		return nil, brigade.NotFound("build", id).WithHint("it was deleted")
	}
	return page[0], nil
}

func (p *build) selected() *brigade.Job {
	if at := p.list.at - 1; at >= 0 && at < len(p.jobs) {
		return p.jobs[at]
	}
	return nil
}

func (p *build) moved() tea.Cmd {
	p.pick = ""
	if j := p.selected(); j != nil {
		p.pick = j.ID
	}
	return p.m.reload(p)
}

func (p *build) draw(w, h int) []string {
	m := p.m
	lines := p.about(w, h)
	rows, axis, legend := p.rows(w)
	room := h - len(lines) - 1
	if h >= 18 {
		lines = append(lines, "")
		room--
	}
	lines = append(lines, axis)
	p.head = len(lines)
	shown := room
	if tail := room - len(rows) - 2; tail >= 3 {
		shown = len(rows)
	}
	from, to := p.list.window(len(rows), min(shown, len(rows)))
	for i := from; i < to; i++ {
		lines = append(lines, m.selected(rows[i], w, i == p.list.at))
	}
	if left := h - len(lines); left >= 5 {
		lines = append(lines, m.look.Dim(" "+legend), m.look.Dim(tui.Cut(p.rule(w), w, "")))
		lines = append(lines, p.end(w, left-2)...)
	}
	return lines
}

// about are the lines that say what the build is about.
func (p *build) about(w, h int) []string {
	m, b, e := p.m, p.b, p.b.Event
	now := m.o.Now()
	dot := m.look.Dim(" " + m.look.Pick("·", "-") + " ")
	parts := []string{m.state(b, now), m.look.Bold(tui.Clean(e.Type, false)), revision(e.Revision)}
	if e.Actor != "" {
		parts = append(parts, "by "+tui.Clean(e.Actor, false))
	} else {
		parts = append(parts, tui.Clean(e.Provider, false))
	}
	parts = append(parts, tui.Age(b.Created, now)+" ago", prefixed("took ", took(b.Started, b.Ended, now)))
	if b.Attempt > 1 {
		parts = append(parts, "attempt "+count(b.Attempt))
	}
	line := " "
	for _, part := range parts {
		if part == "" {
			continue
		}
		if next := dot + part; line == " " {
			line += part
		} else if tui.Width(line)+tui.Width(next) < w {
			line += next
		}
	}
	lines := []string{tui.Cut(line, w, m.look.Ellipsis())}
	most := 2
	if h < 12 {
		most = 1
	}
	add := func(text string, paint func(string) string) {
		if text = tui.Clean(text, false); text == "" || len(lines) > most {
			return
		}
		for _, row := range tui.Wrap(text, w-2, most, m.look.Ellipsis()) {
			lines = append(lines, " "+paint(row))
		}
	}
	if b.Failure != nil {
		add(b.Failure.Message, m.look.Bad)
	}
	if !b.State.Ended() {
		add(prefixed("waits for ", b.Waiting), m.look.Warn)
	}
	if e.ShortTitle != "" {
		add(e.ShortTitle, m.look.Dim)
	}
	return lines
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

var jobColumns = []column{
	{least: 10, most: 38}, {rank: 3, least: 8, most: 22}, {rank: 2}, {right: true, rank: 1},
}

// rows are the script and the jobs, each with its bar, below an axis.
func (p *build) rows(w int) (rows []string, axis, legend string) {
	m := p.m
	now := m.o.Now()
	state, end := shownState(p.b, now), p.b.Ended
	script := &brigade.Job{ID: "", State: state, Created: p.b.Created, Started: p.b.Started, Ended: end}
	all := append([]*brigade.Job{script}, p.jobs...)
	cells := make([][]string, len(all))
	for i, j := range all {
		cells[i] = p.cells(j, i)
	}
	barW := max(w/3, w-66)
	if w < 56 {
		barW = max(w/3, 10)
	}
	widths := layout(jobColumns, cells, w-barW-5)
	textW := total(widths)
	barW = w - textW - 5
	line := tui.NewTimeline(m.look, all, now)
	for i, j := range all {
		rows = append(rows, tableLine(jobColumns, widths, cells[i], m.look)+"  "+line.Bar(j.ID, barW))
	}
	axis = strings.Repeat(" ", textW+3) + line.Axis(barW)
	return rows, axis, line.Legend()
}

func (p *build) cells(j *brigade.Job, i int) []string {
	m := p.m
	now := m.o.Now()
	name := tui.Clean(j.Name, false)
	image := m.look.Dim(tui.ShortImage(j.Spec.Image))
	if i == 0 {
		name, image = scriptName, m.look.Dim("the script")
	}
	word := stateWord(j.State)
	switch {
	case j.State == brigade.StateFailed && j.ExitCode != 0:
		word = "exit " + count(j.ExitCode)
	case j.Inherited != "":
		word = "taken over"
	}
	if j.Attempt > 1 {
		word += " #" + count(j.Attempt)
	}
	return []string{m.symbol(j.State) + " " + name, image, m.look.State(j.State, word), took(j.Started, j.Ended, now)}
}

// rule separates the jobs from the end of a log.
func (p *build) rule(w int) string {
	name := scriptName
	if j := p.selected(); j != nil {
		name = tui.Clean(j.Name, false)
	}
	bar := p.m.look.Pick("─", "-")
	return bar + bar + " " + name + " " + strings.Repeat(bar, max(w-tui.Width(name)-4, 0))
}

// end is the end of the log of what is selected, and why it failed.
func (p *build) end(w, h int) []string {
	m := p.m
	if p.of != p.pick {
		return nil
	}
	var lines []string
	for _, l := range p.tail {
		lines = append(lines, tui.Cut(" "+m.logText(l), w, m.look.Ellipsis()))
	}
	if j := p.selected(); j != nil && j.Failure != nil {
		for _, row := range tui.Wrap(tui.Clean(j.Failure.Message, false), w-2, 3, m.look.Ellipsis()) {
			lines = append(lines, " "+m.look.Bad(row))
		}
	}
	if len(lines) == 0 {
		return []string{m.look.Dim(" nothing printed yet")}
	}
	return lines[max(len(lines)-h, 0):]
}

// logText is a log line as it is shown; the worker's warnings and errors have
// their colour.
func (m *model) logText(l brigade.LogLine) string {
	text := strings.TrimRight(tui.Clean(l.Text, m.look.Color()), " ")
	switch {
	case strings.Contains(text, "\x1b"):
	case l.Level == brigade.LevelError:
		return m.look.Bad(text)
	case l.Level == brigade.LevelWarn:
		return m.look.Warn(text)
	}
	return text
}

func (p *build) enter() tea.Cmd { return p.m.open(newLog(p.m, p.b, p.jobs, p.selected())) }

func (p *build) bindings() []binding {
	id := func() string {
		if j := p.selected(); j != nil {
			return j.ID
		}
		return p.b.ID
	}
	keys := []binding{
		bind("enter l right", "log", "show the log of the job, or of the script", p.enter),
		bind("h left", "", "back", func() tea.Cmd { return p.m.back(1) }),
	}
	keys = append(keys, p.m.buildKeys(func() *brigade.Build { return p.b }, id)...)
	return append(keys, p.list.moves(func() int { return len(p.jobs) + 1 }, p.moved)...)
}

func (p *build) place() (at, n int) { return p.list.place() }

func (p *build) click(line int) tea.Cmd {
	at, again := p.list.picked(line-p.head, len(p.jobs)+1)
	switch {
	case at < 0:
		return nil
	case again:
		return p.enter()
	}
	return p.moved()
}

func (p *build) wheel(lines int) tea.Cmd {
	p.list.scroll(lines, len(p.jobs)+1)
	return p.moved()
}
