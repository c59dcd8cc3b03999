package web

import (
	"slices"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// timeline is a build as a waterfall: a row for the script, and one for each
// job, over one axis of time. Places on the axis are percentages, as SVG takes
// them; the script of the page moves them on while the build runs.
type timeline struct {
	From  time.Time // where the axis begins
	Now   time.Time
	Span  time.Duration
	Live  bool
	Cut   time.Duration // how much waiting before From is left out
	Ticks []tick
	Rows  []*row
	Peak  int // jobs that ran at once
	Chain int // jobs on the critical path
}

type tick struct {
	X, Label string
}

// row is one line of the waterfall.
type row struct {
	ID, Name, URL string
	State         brigade.State
	Script        bool // it is the build's script, not a job
	Job           *brigade.Job
	Segments      []segment
	Took          time.Duration // it ran
	Waited        time.Duration
	Pulled        time.Duration
	Notice        string   // what goes on, such as how far an image is pulled
	Critical      bool     // nothing would have ended earlier without it
	Path          *segment // the part of the critical path that it is

	from, start, end time.Time
}

// segment is a stretch of a row in one state.
type segment struct {
	State brigade.State
	X, W  string
	A, B  int64 // milliseconds after timeline.From; B is -1 while it goes on
}

// makeTimeline lays out a build.
func makeTimeline(b *brigade.Build, jobs []*brigade.Job, now time.Time) *timeline {
	t := &timeline{From: b.Created, Now: now, Live: !b.State.Ended()}
	end := now
	if !t.Live {
		end = b.Ended
	}
	if !b.Started.IsZero() {
		if waited := b.Started.Sub(b.Created); waited > end.Sub(b.Started)/4 {
			t.From, t.Cut = b.Started, waited
		}
	}
	t.Span = max(end.Sub(t.From), 200*time.Millisecond)
	if t.Live {
		t.Span = max(t.Span, time.Second)
		t.Span += t.Span / 33 // room for what comes
	}
	script := &row{ID: "row-script", Name: "script", URL: buildURL(b.ID) + "/log", State: b.State, Script: true, from: b.Created, start: b.Started, end: b.Ended}
	t.lay(script, b.History, end)
	for i, j := range jobs {
		r := &row{ID: "row-" + strconv.Itoa(i), Name: j.Name, URL: jobURL(b.ID, j.Name), State: j.State, Job: j, from: j.Created, start: j.Started, end: j.Ended}
		t.lay(r, j.History, end)
	}
	slices.SortStableFunc(t.Rows[1:], func(x, y *row) int { return x.from.Compare(y.from) })
	t.Ticks = ticks(t.Span)
	t.peak()
	if !t.Live {
		t.criticalPath()
	}
	return t
}

// lay adds a row whose segments follow its history.
func (t *timeline) lay(r *row, history []brigade.Step, end time.Time) {
	add := func(state brigade.State, from, to time.Time) {
		open := to.IsZero()
		if open {
			to = end
		}
		d := to.Sub(from)
		switch state {
		case brigade.StatePending:
			r.Waited += max(0, d)
		case brigade.StatePulling:
			r.Pulled += max(0, d)
		default:
			r.Took += max(0, d)
		}
		a, b := max(0, from.Sub(t.From)), min(to.Sub(t.From), t.Span)
		if b < a || b <= 0 && !open {
			return
		}
		s := segment{State: state, X: percent(a, t.Span), W: percent(b-a, t.Span), A: a.Milliseconds(), B: b.Milliseconds()}
		if open && t.Live {
			s.B = -1
		}
		r.Segments = append(r.Segments, s)
	}
	for _, s := range phases(r, history) {
		add(s.state, s.from, s.to)
	}
	t.Rows = append(t.Rows, r)
}

// phase is a stretch of time in one state; to is zero while it goes on.
type phase struct {
	state    brigade.State
	from, to time.Time
}

// phases reads what a row went through from its history, or from its times
// when there is none. The last stretch of running has the color of its end.
func phases(r *row, history []brigade.Step) []phase {
	var list []phase
	begin := func(s brigade.State, at time.Time) {
		if n := len(list); n > 0 {
			list[n-1].to = at
			if list[n-1].state == s {
				list[n-1].to = time.Time{}
				return
			}
		}
		list = append(list, phase{state: s, from: at})
	}
	begin(brigade.StatePending, r.from)
	for _, step := range history {
		if !step.State.Ended() && !step.Time.Before(r.from) {
			begin(step.State, step.Time)
		}
	}
	if n := len(list); list[n-1].state != brigade.StateRunning && !r.start.IsZero() {
		begin(brigade.StateRunning, r.start)
	}
	last := &list[len(list)-1]
	last.to = r.end
	if r.State.Ended() && last.state == brigade.StateRunning {
		last.state = r.State
	}
	return list
}

func percent(d, span time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(span)*100, 'f', 2, 64) + "%"
}

// ticks are marks on the axis at round times, at most six.
func ticks(span time.Duration) []tick {
	const s, m, h = time.Second, time.Minute, time.Hour
	steps := []time.Duration{
		50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, s, 2 * s, 5 * s, 10 * s, 15 * s, 30 * s,
		m, 2 * m, 5 * m, 10 * m, 15 * m, 30 * m, h, 2 * h, 6 * h, 12 * h, 24 * h,
	}
	step := steps[len(steps)-1]
	for _, one := range steps {
		if span/one < 6 {
			step = one
			break
		}
	}
	for span/step > 6 {
		step *= 2
	}
	var list []tick
	for at := time.Duration(0); at < span; at += step {
		list = append(list, tick{percent(at, span), axisLabel(at)})
	}
	return list
}

func axisLabel(at time.Duration) string {
	switch {
	case at == 0:
		return "0"
	case at < time.Second:
		return strconv.Itoa(int(at.Milliseconds())) + "ms"
	case at < time.Minute:
		return strconv.Itoa(int(at.Seconds())) + "s"
	case at < time.Hour && at%time.Minute != 0:
		return strconv.Itoa(int(at.Minutes())) + "m" + strconv.Itoa(int(at.Seconds())%60) + "s"
	case at < time.Hour:
		return strconv.Itoa(int(at.Minutes())) + "m"
	case at%time.Hour != 0:
		return strconv.Itoa(int(at.Hours())) + "h" + strconv.Itoa(int(at.Minutes())%60) + "m"
	}
	return strconv.Itoa(int(at.Hours())) + "h"
}

// peak counts how many jobs ran at once.
func (t *timeline) peak() {
	type edge struct {
		at time.Time
		by int
	}
	var edges []edge
	for _, r := range t.Rows {
		if r.Script || r.start.IsZero() {
			continue
		}
		end := r.end
		if end.IsZero() {
			end = t.Now.Add(time.Hour)
		}
		edges = append(edges, edge{r.start, 1}, edge{end, -1})
	}
	slices.SortFunc(edges, func(x, y edge) int {
		if c := x.at.Compare(y.at); c != 0 {
			return c
		}
		return x.by - y.by
	})
	n := 0
	for _, e := range edges {
		n += e.by
		t.Peak = max(t.Peak, n)
	}
}

// criticalPath marks the jobs that decided how long the build took: the one
// that ended last, the one that ended last before that was created, and so on.
func (t *timeline) criticalPath() {
	var at *row
	for _, r := range t.Rows {
		if !r.Script && !r.end.IsZero() && (at == nil || r.end.After(at.end)) {
			at = r
		}
	}
	for at != nil {
		at.Critical = true
		t.Chain++
		if n := len(at.Segments); n > 0 {
			a, b := at.Segments[0].A, at.Segments[n-1].B
			at.Path = &segment{X: percent(time.Duration(a)*time.Millisecond, t.Span), W: percent(time.Duration(b-a)*time.Millisecond, t.Span)}
		}
		var before *row
		for _, r := range t.Rows {
			if r.Script || r.Critical || r.end.IsZero() || r.end.After(at.from) {
				continue
			}
			if before == nil || r.end.After(before.end) {
				before = r
			}
		}
		at = before
	}
}
