package term

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

const (
	recent     = 500 // builds that are read for the page of projects
	strip      = 10  // builds whose states are shown for each project
	mostLookup = 50  // projects whose last build is looked for on its own
)

// projects is the first page: every project with its last builds.
type projects struct {
	m      *model
	list   list
	rows   []projectRow
	filter string
}

// projectRow is a project and its last builds, newest first.
type projectRow struct {
	id, name string
	builds   []*brigade.Build
	open     int // builds that have not ended
}

var (
	_ pointed = (*projects)(nil)
	_ listed  = (*projects)(nil)
)

func newProjects(m *model) *projects { return &projects{m: m} }

func (p *projects) title() string   { return "brig" }
func (p *projects) watches() string { return "" }

func (p *projects) reads() work {
	data := p.m.o.Data
	return func(ctx context.Context) (func(), error) {
		rows, err := readProjects(ctx, data)
		return func() { p.show(rows) }, err
	}
}

// readProjects returns all builds, and then every project that exists or has
// left builds behind.
func readProjects(ctx context.Context, data Data) ([]projectRow, error) {
	known, err := data.ListProjects(ctx)
	if err != nil {
		return nil, err
	}
	builds, err := data.ListBuilds(ctx, brigade.BuildFilter{Limit: recent})
	if err != nil {
		return nil, err
	}
	rows := []projectRow{{name: "all builds", builds: builds}}
	at := map[string]int{}
	for _, k := range known {
		at[k.ID] = len(rows)
		rows = append(rows, projectRow{id: k.ID, name: tui.Clean(k.Name, false)})
	}
	for _, b := range builds {
		i, ok := at[b.ProjectID]
		if !ok {
			i = len(rows)
			at[b.ProjectID] = i
			rows = append(rows, projectRow{id: b.ProjectID, name: tui.Clean(b.Project, false)})
		}
		rows[i].builds = append(rows[i].builds, b)
	}
	lookups := mostLookup
	for i := range rows {
		r := &rows[i]
		if len(r.builds) == 0 && len(builds) == recent && lookups > 0 {
			lookups--
			r.builds, err = data.ListBuilds(ctx, brigade.BuildFilter{ProjectID: r.id, Limit: strip})
			if err != nil {
				return nil, err
			}
		}
		for _, b := range r.builds {
			if !b.State.Ended() {
				r.open++
			}
		}
	}
	return rows, nil
}

func (p *projects) show(rows []projectRow) {
	id, had := "", false
	if shown := p.shown(); p.list.at < len(shown) {
		id, had = shown[p.list.at].id, true
	}
	p.rows = rows
	for i, r := range p.shown() {
		if had && r.id == id {
			p.list.at = i
		}
	}
}

// shown are the rows that the filter leaves.
func (p *projects) shown() []projectRow {
	if p.filter == "" {
		return p.rows
	}
	var rows []projectRow
	for _, r := range p.rows {
		if strings.Contains(strings.ToLower(r.name), strings.ToLower(p.filter)) {
			rows = append(rows, r)
		}
	}
	return rows
}

var projectColumns = []column{
	{head: "PROJECT", least: 12, most: 50}, {head: "LAST", most: 13}, {head: "EVENT", least: 6, most: 24, rank: 3},
	{head: "AGE", right: true}, {head: "TOOK", right: true, rank: 2}, {head: "BEFORE", rank: 1}, {head: "OPEN", right: true, rank: 4},
}

func (p *projects) draw(w, h int) []string {
	m, rows := p.m, p.shown()
	from, to := p.list.window(len(rows), h-1)
	cells := make([][]string, 0, to-from)
	for _, r := range rows[from:to] {
		cells = append(cells, p.cells(r))
	}
	if w < 50 {
		symbolsOnly(cells, 1)
	}
	widths := layout(projectColumns, cells, w-2)
	lines := []string{m.look.Dim(" " + tui.Cut(tableLine(projectColumns, widths, heads(projectColumns), m.look), w-1, ""))}
	for i, c := range cells {
		lines = append(lines, m.selected(tableLine(projectColumns, widths, c, m.look), w, from+i == p.list.at))
	}
	switch {
	case len(rows) == 0 && p.filter != "":
		lines = append(lines, m.look.Dim(" no project has “"+p.filter+"” in its name"))
	case len(p.rows) == 1 && len(p.rows[0].builds) == 0:
		lines = append(lines, "", m.look.Dim(" nothing was built yet: brig run runs the script of a directory"))
	}
	return lines
}

// symbolsOnly leaves of the states in a column only their symbols.
func symbolsOnly(cells [][]string, column int) {
	for _, c := range cells {
		if tui.Width(c[column]) > 0 {
			c[column], _, _ = strings.Cut(c[column], " ")
		}
	}
}

func (p *projects) cells(r projectRow) []string {
	m := p.m
	now := m.o.Now()
	c := []string{r.name, m.look.Dim(m.look.Pick("–", "-") + " never built"), "", "", "", "", ""}
	if len(r.builds) == 0 {
		return c
	}
	last := r.builds[0]
	c[1] = m.state(last, now)
	c[2] = tui.Clean(last.Event.Type, false)
	c[3] = tui.Age(last.Created, now)
	c[4] = took(last.Started, last.Ended, now)
	var states strings.Builder
	for _, b := range r.builds[:min(strip, len(r.builds))] {
		states.WriteString(m.look.Symbol(shownState(b, now)))
	}
	c[5] = states.String()
	if r.open > 0 {
		c[6] = m.look.Accent(count(r.open))
	}
	return c
}

func (p *projects) enter() tea.Cmd {
	rows := p.shown()
	if p.list.at >= len(rows) {
		return nil
	}
	r := rows[p.list.at]
	return p.m.open(newBuilds(p.m, r.id, r.name))
}

func (p *projects) bindings() []binding {
	keys := []binding{
		bind("enter l right", "builds", "show the builds of the project", p.enter),
		bind("/", "find", "show only projects with a text in their name", p.find),
	}
	if p.filter != "" {
		keys = append(keys, bind("esc", "all", "show all projects again", func() tea.Cmd {
			p.filter, p.list.at = "", 0
			return nil
		}))
	}
	return append(keys, p.list.moves(func() int { return len(p.shown()) }, none)...)
}

func none() tea.Cmd { return nil }

func (p *projects) find() tea.Cmd {
	before := p.filter
	set := func(text string) tea.Cmd {
		p.filter, p.list.at = text, 0
		return nil
	}
	p.m.input = &input{mark: "/", text: p.filter, changed: set, ended: func(text string, ok bool) tea.Cmd {
		if !ok {
			text = before
		}
		return set(text)
	}}
	return nil
}

func (p *projects) place() (at, n int) { return p.list.place() }

func (p *projects) click(line int) tea.Cmd {
	if at, again := p.list.picked(line-1, len(p.shown())); at >= 0 && again {
		return p.enter()
	}
	return nil
}

func (p *projects) wheel(lines int) tea.Cmd {
	p.list.scroll(lines, len(p.shown()))
	return nil
}

// shownState is a build's state for a symbol: one whose runner is gone has
// failed, as far as anybody can tell.
func shownState(b *brigade.Build, now time.Time) brigade.State {
	if interrupted(b, now) {
		return brigade.StateFailed
	}
	return b.State
}

// interrupted reports whether whoever ran the build is gone.
func interrupted(b *brigade.Build, now time.Time) bool {
	return b.State == brigade.StateRunning && !b.Lease.Expires.IsZero() && now.After(b.Lease.Expires)
}

// state is a build's state with its symbol, which moves while it runs.
func (m *model) state(b *brigade.Build, now time.Time) string {
	s := shownState(b, now)
	word := stateWord(b.State)
	switch {
	case interrupted(b, now):
		word = "interrupted"
	case b.Cancel != nil && !b.State.Ended():
		word = "canceling"
	}
	return m.symbol(s) + " " + m.look.State(s, word)
}

// symbol is a state's symbol, a spinner for what runs.
func (m *model) symbol(s brigade.State) string {
	if s != brigade.StateRunning {
		return m.look.Symbol(s)
	}
	m.spun = true
	return m.look.State(s, m.look.Spinner(m.frame))
}

func stateWord(s brigade.State) string {
	if s == brigade.StatePending {
		return "waiting"
	}
	return tui.Clean(string(s), false)
}

// took is how long something ran, or has been running.
func took(started, ended, now time.Time) string {
	switch {
	case started.IsZero():
		return ""
	case ended.IsZero():
		return seconds(now.Sub(started))
	}
	return tui.Duration(ended.Sub(started))
}

// seconds is a duration that goes on, in whole seconds so that not every
// frame changes it.
func seconds(d time.Duration) string {
	text := tui.RunningFor(d.Truncate(time.Second))
	return strings.Replace(text, ".0s", "s", 1)
}
