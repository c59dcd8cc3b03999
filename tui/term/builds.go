package term

import (
	"context"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

const buildPage = 200 // builds that are read at once

// builds is the page of a project's builds, or of all.
type builds struct {
	m         *model
	projectID string // "" for all
	name      string
	list      list
	all       []*brigade.Build // as read, newest first
	found     []*brigade.Build // by the filter in the data
	foundFor  string           // the text they were found for
	whole     bool             // there are no older ones
	older     string           // builds before this one are to be read
	filter    string
	state     int // in stateFilters
	pick      string
}

// stateFilters are what the states can be narrowed to, in turn.
var stateFilters = []struct {
	name   string
	states []brigade.State
}{
	{"", nil},
	{"open", []brigade.State{brigade.StatePending, brigade.StateRunning}},
	{"failed", []brigade.State{brigade.StateFailed}},
	{"succeeded", []brigade.State{brigade.StateSucceeded}},
	{"canceled", []brigade.State{brigade.StateCanceled}},
}

var (
	_ pointed = (*builds)(nil)
	_ listed  = (*builds)(nil)
)

func newBuilds(m *model, projectID, name string) *builds {
	return &builds{m: m, projectID: projectID, name: name}
}

func (p *builds) watches() string { return "" }

// title says what the builds are narrowed to, too.
func (p *builds) title() string {
	title := p.name
	if s := stateFilters[p.state].name; s != "" {
		title += " " + s
	}
	if p.filter != "" {
		title += " /" + p.filter
	}
	if title != p.name {
		title += " (" + count(len(p.shown())) + ")"
	}
	return title
}

// reads reads the newest builds, those before the last one that is there when
// the end is near, and those that the filter finds in the data.
func (p *builds) reads() work {
	data, f := p.m.o.Data, brigade.BuildFilter{ProjectID: p.projectID, States: stateFilters[p.state].states, Limit: buildPage}
	older, text, state := p.older, longestWord(p.filter), p.state
	return func(ctx context.Context) (func(), error) {
		page, err := data.ListBuilds(ctx, f)
		if err != nil {
			return nil, err
		}
		var before, found []*brigade.Build
		if older != "" {
			f.Before = older
			if before, err = data.ListBuilds(ctx, f); err != nil {
				return nil, err
			}
		}
		if text != "" {
			f.Before, f.Text = "", text
			if found, err = data.ListBuilds(ctx, f); err != nil {
				return nil, err
			}
		}
		return func() {
			if p.state == state {
				p.show(page, before, older)
				p.found, p.foundFor = found, text
				p.keep()
			}
		}, nil
	}
}

// show puts what was read in place: the page of the newest, and the page
// before the build with the ID older.
func (p *builds) show(page, before []*brigade.Build, older string) {
	var rest []*brigade.Build
	if len(page) == buildPage {
		last := page[len(page)-1].ID
		for _, b := range p.all {
			if b.ID < last {
				rest = append(rest, b)
			}
		}
	} else {
		p.whole = true
	}
	p.all = append(page, rest...)
	if older != "" {
		p.whole = len(before) < buildPage
		p.all = append(p.all, before...)
		p.older = ""
	}
	slices.SortStableFunc(p.all, func(a, b *brigade.Build) int { return strings.Compare(b.ID, a.ID) })
	p.all = slices.CompactFunc(p.all, func(a, b *brigade.Build) bool { return a.ID == b.ID })
}

// keep leaves the selection on the build it was on.
func (p *builds) keep() {
	for i, b := range p.shown() {
		if b.ID == p.pick {
			if p.list.top > 0 { // else new ones show up above
				p.list.top += i - p.list.at
			}
			p.list.at = i
			return
		}
	}
	if b := p.selected(); b != nil {
		p.pick = b.ID
	}
}

// moved notes which build is selected, and has older ones read near the end.
func (p *builds) moved() tea.Cmd {
	shown := p.shown()
	if b := p.selected(); b != nil {
		p.pick = b.ID
	}
	if p.whole || p.older != "" || p.list.at < len(shown)-20 || len(p.all) == 0 {
		return nil
	}
	p.older = p.all[len(p.all)-1].ID
	return p.m.reload(p)
}

// shown are the builds that the filter leaves.
func (p *builds) shown() []*brigade.Build {
	words := strings.Fields(strings.ToLower(p.filter))
	if len(words) == 0 {
		return p.all
	}
	var shown []*brigade.Build
	match := func(b *brigade.Build) bool {
		text := searched(b)
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	}
	for _, b := range p.all {
		if match(b) {
			shown = append(shown, b)
		}
	}
	for _, b := range p.found {
		if match(b) && !slices.ContainsFunc(p.all, func(o *brigade.Build) bool { return o.ID == b.ID }) {
			shown = append(shown, b)
		}
	}
	return shown
}

// searched is the text in which the words of a filter are looked for: what a
// BuildFilter's Text looks at, and the state and who it was.
func searched(b *brigade.Build) string {
	e := b.Event
	return strings.ToLower(strings.Join([]string{b.ID, b.Project, e.Type, e.Provider, e.ShortTitle, e.LongTitle, e.Revision.Ref,
		e.Revision.Commit, e.Actor, stateWord(b.State), string(b.State)}, "\n"))
}

func longestWord(text string) string {
	longest := ""
	for _, w := range strings.Fields(text) {
		if len(w) > len(longest) {
			longest = w
		}
	}
	return longest
}

func (p *builds) selected() *brigade.Build {
	shown := p.shown()
	if p.list.at >= len(shown) {
		return nil
	}
	return shown[p.list.at]
}

var buildColumns = []column{
	{head: "STATE"}, {head: "BUILD"}, {head: "PROJECT", least: 12, most: 30, rank: 3}, {head: "EVENT", least: 9, most: 26},
	{head: "REVISION", least: 12, most: 24, rank: 4}, {head: "TITLE", least: 16, most: 60, rank: 7}, {head: "WHO", least: 6, most: 18, rank: 2},
	{head: "AGE", right: true}, {head: "TOOK", right: true, rank: 1},
}

func (p *builds) draw(w, h int) []string {
	m, shown := p.m, p.shown()
	from, to := p.list.window(len(shown), h-1)
	cells := make([][]string, 0, to-from)
	for _, b := range shown[from:to] {
		cells = append(cells, p.cells(b, w))
	}
	columns := slices.Clone(buildColumns)
	if p.projectID != "" {
		columns = slices.Delete(columns, 2, 3)
		for i := range cells {
			cells[i] = slices.Delete(cells[i], 2, 3)
		}
	}
	widths := layout(columns, cells, w-2)
	if w < 50 {
		symbolsOnly(cells, 0)
		columns[0].head = ""
		widths = layout(columns, cells, w-2)
	}
	head := m.look.Dim(tui.Cut(" "+tableLine(columns, widths, heads(columns), m.look), w, ""))
	lines := []string{head}
	for i, c := range cells {
		lines = append(lines, m.selected(tableLine(columns, widths, c, m.look), w, from+i == p.list.at))
	}
	if len(shown) == 0 {
		lines = append(lines, m.look.Dim(" no builds"))
	}
	return lines
}

func (p *builds) cells(b *brigade.Build, w int) []string {
	m, e := p.m, b.Event
	now := m.o.Now()
	id := tui.Clean(b.ID, false)
	switch {
	case w < 50:
		id = tui.Cut(id, 10, "")
	case w < 110:
		id = tui.Cut(id, 12, "")
	}
	who := e.Actor
	if who == "" {
		who = e.Provider
	}
	title := e.ShortTitle
	if b.Waiting != "" && b.State == brigade.StatePending {
		title = "waits for " + b.Waiting
	} else if title == "" && b.Failure != nil {
		title = b.Failure.Message
	}
	return []string{
		m.state(b, now), id, tui.Clean(b.Project, false), m.look.Bold(tui.Clean(e.Type, false)), revision(e.Revision),
		m.look.Dim(tui.Clean(title, false)), tui.Clean(who, false), tui.Age(b.Created, now), took(b.Started, b.Ended, now),
	}
}

// revision is a ref without its namespace, and the start of a commit.
func revision(r brigade.Revision) string {
	ref := tui.Clean(r.Ref, false)
	if number, ok := strings.CutPrefix(ref, "refs/pull/"); ok {
		number, _, _ = strings.Cut(number, "/")
		ref = "#" + number
	}
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
	commit := tui.Clean(r.Commit, false)
	return strings.TrimSpace(ref + " " + commit[:min(len(commit), 7)])
}

func count(n int) string { return strconv.Itoa(n) }

func (p *builds) enter() tea.Cmd {
	b := p.selected()
	if b == nil {
		return nil
	}
	return p.m.open(newBuild(p.m, b))
}

func (p *builds) bindings() []binding {
	keys := []binding{
		bind("enter l right", "open", "show the build and its jobs", p.enter),
		bind("/", "find", "show only builds with all these words in ID, event, revision, titles, state or who it was", p.find),
		bind("s", "state", "show all states, open, failed, succeeded or canceled ones only", p.nextState),
		bind("h left", "", "back", func() tea.Cmd { return p.m.back(1) }),
	}
	if p.filter != "" {
		keys = append(keys, bind("esc", "all", "show all builds again", func() tea.Cmd {
			p.filter = ""
			p.keep()
			return p.m.reload(p)
		}))
	}
	keys = append(keys, p.m.buildKeys(p.selected, func() string { return p.selected().ID })...)
	return append(keys, p.list.moves(func() int { return len(p.shown()) }, p.moved)...)
}

func (p *builds) nextState() tea.Cmd {
	p.state = (p.state + 1) % len(stateFilters)
	p.all, p.found, p.whole, p.older, p.pick, p.list = nil, nil, false, "", "", list{}
	return p.m.reload(p)
}

func (p *builds) find() tea.Cmd {
	before := p.filter
	set := func(text string) tea.Cmd {
		p.filter, p.list = text, list{h: p.list.h}
		if longestWord(text) != p.foundFor {
			return p.m.reload(p)
		}
		return nil
	}
	p.m.input = &input{mark: "/", text: p.filter, changed: set, ended: func(text string, ok bool) tea.Cmd {
		if !ok {
			text = before
		}
		cmd := set(text)
		return tea.Batch(cmd, p.moved())
	}}
	return nil
}

func (p *builds) place() (at, n int) { return p.list.place() }

func (p *builds) click(line int) tea.Cmd {
	at, again := p.list.picked(line-1, len(p.shown()))
	switch {
	case at < 0:
		return nil
	case again:
		return p.enter()
	}
	return p.moved()
}

func (p *builds) wheel(lines int) tea.Cmd {
	p.list.scroll(lines, len(p.shown()))
	return p.moved()
}
