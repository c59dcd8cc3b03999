package tui

import (
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	fullTails   = 5  // failed jobs whose last lines are shown; of the others only the first line
	minBars     = 24 // columns a timeline needs
	maxBars     = 80
	tableIndent = "  "
)

// summary is the end of the story. A single job that went well is worth one
// line only.
func summary(b *board, o Options, l look, w int) []string {
	failed := b.in(brigade.StateFailed)
	if b.build.State == brigade.StateSucceeded && len(b.rows) <= 1 && len(failed) == 0 {
		return []string{resultLine(b, l)}
	}
	s := summarizer{b: b, o: o, l: l, w: w, now: o.Now()}
	lines := []string{""}
	if len(b.rows) > 1 {
		lines = append(lines, s.table()...)
		lines = append(lines, "")
	}
	for i, r := range failed {
		lines = append(lines, s.failedJob(r, i < fullTails)...)
	}
	if len(failed) > 0 {
		lines = append(lines, "")
	}
	return append(lines, s.result(failed)...)
}

func (b *board) in(state brigade.State) []*row {
	var rows []*row
	for _, r := range b.rows {
		if r.job.State == state {
			rows = append(rows, r)
		}
	}
	return rows
}

type summarizer struct {
	b   *board
	o   Options
	l   look
	w   int
	now time.Time
}

// result says how the build ended, and why.
func (s *summarizer) result(failed []*row) []string {
	l, build := s.l, s.b.build
	var lines []string
	if build.State == brigade.StateSucceeded && len(failed) > 0 {
		lines = append(lines, s.wrap(l.fg(colorAmber, l.warning()+" warning: the build is green although "+
			plural(len(failed), "job")+" failed: "+s.names(failed)), "  ")...)
		lines = append(lines, s.wrap("  The script handled the error, with a .catch or a try. Throw it again to fail the build.", "  ")...)
	}
	line := resultLine(s.b, l)
	f := build.Failure
	if f == nil || f.Message == "" || build.State == brigade.StateSucceeded {
		return append(lines, line)
	}
	message := s.b.mask(f.Message)
	if scriptError(f) {
		lines = append(lines, messageLines(l, message)...)
		lines = append(lines, s.wrapHint(hintLines(l, s.b.mask(f.Hint)))...)
		return append(lines, s.wrap(line, "  ")...)
	}
	lines = append(lines, s.wrap(line, "  ")...)
	if isToldBy(failed, message) {
		return lines
	}
	lines = append(lines, s.wrap("  "+Clean(firstLine(message), false), "  ")...)
	for _, hint := range s.wrapHint(hintLines(l, s.b.mask(f.Hint))) {
		lines = append(lines, "  "+hint)
	}
	return lines
}

// isToldBy reports whether a build's failure is that of a job that is listed
// already: those messages begin with job <name>(<pod>).
func isToldBy(failed []*row, message string) bool {
	for _, r := range failed {
		if strings.HasPrefix(message, "job "+r.job.Name+"(") {
			return true
		}
	}
	return false
}

// scriptError reports whether the failure's message has more to show than a
// line: a code frame or a stack.
func scriptError(f *brigade.Error) bool {
	switch f.Code {
	case brigade.CodeScriptLoad, brigade.CodeModule, brigade.CodeDependency:
		return true
	}
	return strings.Contains(strings.TrimSpace(f.Message), "\n")
}

func (s *summarizer) wrapHint(lines []string) []string {
	var out []string
	for _, line := range lines {
		out = append(out, s.wrap(line, "      ")...)
	}
	return out
}

// wrap breaks a line on a terminal; a file gets it as it is.
func (s *summarizer) wrap(line, indent string) []string {
	if !s.o.Terminal {
		return []string{line}
	}
	rows := wrap(line, s.w-1-len(indent), maxRowsALine, s.l.ellipsis())
	for i := 1; i < len(rows); i++ {
		rows[i] = indent + rows[i]
	}
	return rows
}

// resultLine is "✓ Build 01jd… succeeded in 12s · 4 jobs".
func resultLine(b *board, l look) string {
	build := b.build
	var took time.Duration
	if !build.Ended.IsZero() {
		took = b.since(build.Ended)
	}
	line := l.symbol(build.State) + " Build"
	if id := Clean(build.ID, false); id != "" && build.State != brigade.StateSucceeded {
		line += " " + id
	}
	switch build.State {
	case brigade.StateSucceeded:
		line += " succeeded in " + Duration(took)
	case brigade.StateFailed, brigade.StateCanceled:
		line += " " + string(build.State) + " after " + Duration(took)
	default:
		line += " is " + stateWord(build.State)
	}
	line = l.bold(l.state(build.State, line))
	if len(b.rows) == 0 {
		return line
	}
	text := plural(len(b.rows), "job")
	if n := len(b.rows); b.counts[brigade.StateSucceeded] != n {
		text += ": " + countText(b.counts, ", ")
	}
	return line + l.dim(" "+l.dot()+" "+text)
}

// names lists jobs, at most ten of them.
func (s *summarizer) names(rows []*row) string {
	var names []string
	for i, r := range rows {
		if i == 10 {
			names = append(names, "and "+itoa(len(rows)-i)+" more")
			break
		}
		names = append(names, r.name)
	}
	return strings.Join(names, ", ")
}

// failedJob tells of one failed job: its last lines, and where the rest is.
func (s *summarizer) failedJob(r *row, full bool) []string {
	l := s.l
	lines := s.wrap(l.fg(colorRed, l.symbol(brigade.StateFailed))+" "+l.bold(r.name)+" "+endText(s.b, r), "  ")
	if !full {
		return lines
	}
	for _, text := range r.tail {
		row := "  " + l.dim(l.bar()) + " "
		if !s.o.Terminal {
			lines = append(lines, strings.TrimRight(row+text, " "))
			continue
		}
		for _, part := range wrap(text, s.w-5, 6, l.ellipsis()) {
			lines = append(lines, strings.TrimRight(row+part, " "))
		}
	}
	if f := r.job.Failure; f != nil {
		for _, hint := range s.wrapHint(hintLines(l, s.b.mask(f.Hint))) {
			lines = append(lines, "  "+hint)
		}
	}
	if r.job.LogBytes > 0 || len(r.tail) > 0 {
		lines = append(lines, l.dim("  all of it: ")+Clean(s.o.LogsCommand(s.b.build.ID, r.job.Name), false))
	}
	return lines
}

// chosen are the jobs the table lists: all, or those that failed and those
// that took longest.
func (s *summarizer) chosen() (rows []*row, rest map[brigade.State]int, n int) {
	rows = s.b.rows
	if len(rows) <= s.o.Rows {
		return rows, nil, 0
	}
	rows = slices.Clone(rows)
	good := func(r *row) int {
		if r.job.State == brigade.StateSucceeded {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		if d := good(a) - good(b); d != 0 {
			return d
		}
		return int(b.ran(s.now)/time.Millisecond - a.ran(s.now)/time.Millisecond)
	})
	rest = map[brigade.State]int{}
	for _, r := range rows[s.o.Rows:] {
		rest[r.job.State]++
	}
	n = len(rows) - s.o.Rows
	rows = rows[:s.o.Rows]
	slices.SortFunc(rows, func(a, b *row) int { return a.index - b.index })
	return rows, rest, n
}

// table lists the jobs, with their bars beside them or, when the terminal is
// narrow, below.
func (s *summarizer) table() []string {
	rows, rest, more := s.chosen()
	t := s.jobTable(rows, s.w < 60)
	if total := t.total(); total > s.w-1 { // long names give way
		nameW := max(8, width(longest(rows))-(total-(s.w-1)))
		for _, cells := range t.rows {
			cells[0] = cut(cells[0], nameW, s.l.ellipsis())
		}
	}
	lines, total := t.lines(), t.total()
	line := newTimeline(s.b, rows, s.l, s.now)
	switch room := min(s.w-1-total-3, maxBars); {
	case line == nil:
	case room >= minBars:
		for i, bar := range line.draw(room) {
			lines[i] = strings.TrimRight(pad(lines[i], total, false)+"   "+bar, " ")
		}
	default:
		lines = append(lines, "")
		lines = append(lines, s.bars(line, rows)...)
	}
	if more > 0 {
		lines = append(lines, s.l.dim(tableIndent+s.l.ellipsis()+" and "+itoa(more)+" more ("+countText(rest, ", ")+")"))
	}
	if line != nil && line.legend() != "" {
		lines = append(lines, s.l.dim(tableIndent)+line.legend())
	}
	if path := s.criticalPath(); path != "" {
		lines = append(lines, s.wrap(tableIndent+path, tableIndent)...)
	}
	return lines
}

// jobTable is the table in full, or with what fits on a narrow terminal.
func (s *summarizer) jobTable(rows []*row, narrow bool) *Table {
	heads := []string{"JOB", "STATE", ">EXIT", ">WAITED", ">DURATION"}
	if narrow {
		heads = []string{"JOB", "STATE", ">DURATION"}
	}
	t := NewTable(heads...)
	t.lead, t.style = tableIndent, s.l.dim
	for _, r := range rows {
		cells := s.cells(r)
		if narrow {
			cells = append(cells[:2:2], cells[4])
		}
		t.add(cells)
	}
	return t
}

func longest(rows []*row) string {
	name := ""
	for _, r := range rows {
		if width(r.name) > width(name) {
			name = r.name
		}
	}
	return name
}

// bars are the timeline on its own, for narrow terminals.
func (s *summarizer) bars(line *timeline, rows []*row) []string {
	nameW := min(width(longest(rows)), s.w/3)
	var lines []string
	for i, bar := range line.draw(min(s.w-1-2-nameW-2, maxBars)) {
		name := ""
		if i > 0 {
			name = cut(rows[i-1].name, nameW, s.l.ellipsis())
		}
		lines = append(lines, strings.TrimRight(tableIndent+pad(name, nameW, false)+"  "+bar, " "))
	}
	return lines
}

func (s *summarizer) cells(r *row) []string {
	state := s.l.state(r.job.State, s.l.symbol(r.job.State)+" "+stateWord(r.job.State))
	if r.job.Attempt > 1 {
		state += s.l.dim(" (attempt " + itoa(r.job.Attempt) + ")")
	}
	exit, took := "-", "-"
	if !r.job.Started.IsZero() {
		took = Duration(r.ran(s.now))
		if r.job.State.Ended() {
			exit = itoa(r.job.ExitCode)
		}
	}
	return []string{r.name, state, exit, Duration(r.waited(s.now)), took}
}
