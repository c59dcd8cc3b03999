package tui

import (
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// This file lends what the views are drawn with to the dashboard in tui/term,
// so that both look alike.

// Width returns how many columns clean text takes.
func Width(s string) int { return width(s) }

// Cut shortens clean text to at most w columns; what is left out becomes tail.
func Cut(s string, w int, tail string) string { return cut(s, max(w, 0), tail) }

// Wrap breaks clean text into rows of at most w columns, at most limit of
// them; colours go on in the next row. What does not fit is cut with tail.
func Wrap(s string, w, limit int, tail string) []string { return wrap(s, max(w, 1), limit, tail) }

// Pad fills clean text with spaces up to w columns, on the left when right is
// set.
func Pad(s string, w int, right bool) string { return pad(s, w, right) }

// RunningFor writes how long something has been going on, in tenths of a
// second from the beginning, so that its width does not jump.
func RunningFor(d time.Duration) string { return runningFor(d) }

// ShortImage leaves the last part of an image's name and the tag.
func ShortImage(image string) string { return shortImage(Clean(image, false)) }

// Look is how symbols and colours are written. Its colours can be read on
// light and on dark backgrounds.
type Look struct{ l look }

// NewLook returns a look with or without colours, and with or without symbols
// beyond ASCII.
func NewLook(color, ascii bool) Look { return Look{look{color: color, ascii: ascii}} }

// Color reports whether there are colours.
func (l Look) Color() bool { return l.l.color }

// Pick returns the symbol, or its stand-in where only ASCII may be used.
func (l Look) Pick(symbol, ascii string) string { return l.l.pick(symbol, ascii) }

// Ellipsis stands for what was left out.
func (l Look) Ellipsis() string { return l.l.ellipsis() }

// Spinner is the frame of a spinner.
func (l Look) Spinner(frame int) string { return l.l.spinner(max(frame, 0)) }

// Symbol stands for a state, in its colour.
func (l Look) Symbol(s brigade.State) string { return l.l.state(s, l.l.symbol(s)) }

// State writes text in the colour of a state.
func (l Look) State(s brigade.State, text string) string { return l.l.state(s, text) }

// Dim writes text that matters less.
func (l Look) Dim(s string) string { return l.l.dim(s) }

// Bold writes text that matters more.
func (l Look) Bold(s string) string { return l.l.bold(s) }

// Warn writes text in the colour of warnings.
func (l Look) Warn(s string) string { return l.l.fg(colorAmber, s) }

// Bad writes text in the colour of errors.
func (l Look) Bad(s string) string { return l.l.fg(colorRed, s) }

// Accent writes text in the colour of what runs.
func (l Look) Accent(s string) string { return l.l.fg(colorBlue, s) }

// Timeline draws jobs as bars over one axis of time.
type Timeline struct {
	t    *timeline // nil: nothing ran
	rows map[string]*row
}

// NewTimeline returns the timeline of a build's jobs as it is at now.
func NewTimeline(l Look, jobs []*brigade.Job, now time.Time) *Timeline {
	b := newBoard(func(s string) string { return s })
	for _, j := range jobs {
		b.put(j, time.Time{})
		r := b.byID[j.ID]
		for _, step := range j.History { // the last attempt's
			switch step.State {
			case brigade.StatePending:
				r.pullAt = time.Time{}
			case brigade.StatePulling:
				r.pullAt = step.Time
			}
		}
	}
	return &Timeline{t: newTimeline(b, b.rows, l.l, now), rows: b.byID}
}

// Axis labels the time, in cols columns.
func (t *Timeline) Axis(cols int) string {
	if t.t == nil || cols < 8 {
		return ""
	}
	return t.t.axis(cols)
}

// Bar draws the job with that ID, in at most cols columns.
func (t *Timeline) Bar(jobID string, cols int) string {
	r := t.rows[jobID]
	if t.t == nil || r == nil || cols < 8 {
		return ""
	}
	return t.t.bar(r, cols)
}

// Legend explains the marks of the bars that were drawn.
func (t *Timeline) Legend() string {
	if t.t == nil {
		return ""
	}
	return t.t.legend()
}

// Slice returns the columns of clean text from the one numbered from, counted
// from 0, at most w of them. Colours that are on there stay on.
func Slice(s string, from, w int) string { return slice(s, from, w) }
