package tui

import (
	"strings"
	"time"
)

// work is a piece of work outside of jobs that Progress told of.
type work struct {
	label       string
	done, total int64
	began       time.Time
	told        time.Time // last line about it
}

// over reports whether the figures of a Progress call end the work.
func over(done, total int64) bool { return done < 0 || total > 0 && done >= total }

// works are those going on, in the order in which they began.
type works []*work

// update takes a Progress call and returns the work, and whether it is new.
func (ws *works) update(label string, done, total int64, now time.Time) (w *work, isNew bool) {
	for i, w := range *ws {
		if w.label == label {
			w.done, w.total = done, total
			if over(done, total) {
				*ws = append((*ws)[:i], (*ws)[i+1:]...)
			}
			return w, false
		}
	}
	w = &work{label: label, done: done, total: total, began: now}
	if !over(done, total) {
		*ws = append(*ws, w)
	}
	return w, true
}

// figures are how far the work is: "12/40", or a percentage when the numbers
// are too large to read (bytes), or "".
func (w *work) figures() string {
	switch {
	case w.total <= 0 && w.done > 0 && w.done < 1e5:
		return itoa(int(w.done))
	case w.total <= 0:
		return ""
	case w.total >= 1e5:
		return itoa(int(float64(w.done)/float64(w.total)*100)) + "%"
	}
	return itoa(int(w.done)) + "/" + itoa(int(w.total))
}

// line draws the work in at most cols columns.
func (w *work) line(l look, frame, cols int, now time.Time) string {
	end := w.figures()
	if age := now.Sub(w.began); age >= time.Second {
		end = strings.TrimSpace(end + "  " + runningFor(age))
	}
	const barWidth = 20
	label := Clean(w.label, false)
	bar := ""
	if w.total > 0 && cols >= 2+width(label)+2+barWidth+2+width(end) {
		n := int(float64(w.done) / float64(w.total) * barWidth)
		bar = l.fg(colorBlue, strings.Repeat(l.pick("━", "="), n)) + l.dim(strings.Repeat(l.pick("─", "-"), barWidth-n)) + "  "
	}
	label = cut(label, max(4, cols-4-width(end)), l.ellipsis())
	return cut(l.fg(colorBlue, l.spinner(frame))+" "+label+"  "+bar+end, cols, "")
}
