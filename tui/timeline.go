package tui

import (
	"slices"
	"sort"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// timeline draws jobs as bars over one axis of time: what ran side by side,
// and what waited.
type timeline struct {
	rows     []*row
	l        look
	from, to time.Time
	now      time.Time
	waits    bool // some bar shows waiting
	pulls    bool // some bar shows pulling
}

// newTimeline returns nil when nothing ran.
func newTimeline(b *board, rows []*row, l look, now time.Time) *timeline {
	t := &timeline{rows: rows, l: l, now: now}
	for _, r := range b.rows {
		if at := r.job.Created; !at.IsZero() && (t.from.IsZero() || at.Before(t.from)) {
			t.from = at
		}
		if end := r.end(now); end.After(t.to) && !r.job.Started.IsZero() {
			t.to = end
		}
	}
	if t.from.IsZero() || !t.to.After(t.from) {
		return nil
	}
	return t
}

// end is when the job ended, or now.
func (r *row) end(now time.Time) time.Time {
	if r.job.Ended.IsZero() {
		return now
	}
	return r.job.Ended
}

// draw returns the axis and one line for each job, cols columns wide.
func (t *timeline) draw(cols int) []string {
	cols = max(cols, 8)
	lines := []string{t.axis(cols)}
	for _, r := range t.rows {
		lines = append(lines, t.bar(r, cols))
	}
	return lines
}

// column is where at is on the axis.
func (t *timeline) column(at time.Time, cols int) int {
	c := int(float64(at.Sub(t.from))/float64(t.to.Sub(t.from))*float64(cols) + 0.5)
	return min(max(c, 0), cols)
}

// bar draws one job. What ran is never less than a column.
func (t *timeline) bar(r *row, cols int) string {
	j := r.job
	if j.Created.IsZero() {
		return ""
	}
	begin, end := t.column(j.Created, cols), t.column(r.end(t.now), cols)
	pull, run := end, end
	if !r.pullAt.IsZero() {
		pull = t.column(r.pullAt, cols)
	}
	if !j.Started.IsZero() {
		if run = t.column(j.Started, cols); run >= end {
			run = min(run, cols-1)
			end = run + 1
		}
	}
	begin = min(begin, run)
	pull = min(max(pull, begin), run)
	waits, pulls := pull-begin, run-pull
	t.waits, t.pulls = t.waits || waits > 0, t.pulls || pulls > 0
	return strings.Repeat(" ", begin) +
		t.l.dim(strings.Repeat(t.waitGlyph(), waits)) +
		t.l.fg(colorAmber, strings.Repeat(t.pullGlyph(), pulls)) +
		t.l.fg(barColor(j.State), strings.Repeat(t.runGlyph(), end-run))
}

func barColor(s brigade.State) int {
	if s == brigade.StateSucceeded {
		return colorGreen
	}
	return stateColor(s)
}

func (t *timeline) waitGlyph() string { return t.l.pick("·", ".") }
func (t *timeline) pullGlyph() string { return t.l.pick("╌", "-") }
func (t *timeline) runGlyph() string  { return t.l.pick("━", "=") }

// legend explains the marks that are used, once draw was called.
func (t *timeline) legend() string {
	var parts []string
	if t.waits {
		parts = append(parts, t.l.dim(t.waitGlyph()+" waiting"))
	}
	if t.pulls {
		parts = append(parts, t.l.fg(colorAmber, t.pullGlyph())+t.l.dim(" pulling"))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(append(parts, t.l.fg(colorGreen, t.runGlyph())+t.l.dim(" running")), "  ")
}

// axis labels the time: round steps, and the end.
func (t *timeline) axis(cols int) string {
	total := t.to.Sub(t.from)
	end := Duration(total)
	out := []byte(strings.Repeat(" ", cols))
	free := cols - len(end)
	step := axisStep(total, cols/10)
	for at := time.Duration(0); at < total; at += step {
		label := axisLabel(at)
		c := t.column(t.from.Add(at), cols)
		if c+len(label)+1 > free {
			break
		}
		copy(out[c:], label)
	}
	if free >= 0 {
		copy(out[free:], end)
	}
	return t.l.dim(string(out))
}

func axisLabel(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	if d < time.Minute && d%time.Second == 0 {
		return itoa(int(d/time.Second)) + "s"
	}
	return strings.TrimSuffix(strings.TrimSuffix(Duration(d), "00s"), "00m")
}

// axisStep is the smallest round step that needs at most n labels.
func axisStep(total time.Duration, n int) time.Duration {
	steps := []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3,
		60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3, 21600e3, 43200e3, 86400e3}
	for _, s := range steps {
		if s *= time.Millisecond; total/s < time.Duration(max(n, 1)) {
			return s
		}
	}
	return max(total, 1)
}

// criticalPath names the jobs that made the build take as long as it did: the
// one that ended last, before it the one that ended last before that one was
// made, and so on.
func (s *summarizer) criticalPath() string {
	var byEnd []*row
	for _, r := range s.b.rows {
		if !r.job.Started.IsZero() && !r.job.Ended.IsZero() && !r.job.Created.IsZero() {
			byEnd = append(byEnd, r)
		}
	}
	slices.SortStableFunc(byEnd, func(a, b *row) int { return a.job.Ended.Compare(b.job.Ended) })
	var path []string
	var took time.Duration
	for n := len(byEnd); n > 0; {
		r := byEnd[n-1]
		path = append(path, r.name)
		took += r.job.Ended.Sub(r.job.Created)
		n = min(n-1, sort.Search(n-1, func(i int) bool { return byEnd[i].job.Ended.After(r.job.Created) }))
	}
	if len(path) < 2 || len(path) == len(s.b.rows) {
		return ""
	}
	slices.Reverse(path)
	if len(path) > 8 {
		path = append(append(path[:4:4], s.l.ellipsis()), path[len(path)-3:]...)
	}
	return s.l.dim("longest chain: ") + strings.Join(path, " "+s.l.pick("→", "->")+" ") + s.l.dim(" ("+Duration(took)+")")
}
