package term

import tea "charm.land/bubbletea/v2"

// list is a selection among lines of which some are shown.
type list struct {
	at, top int
	h       int // lines that were shown last
	n       int // lines that there were then
}

// window returns which of n lines to show in h, so that the selected one is
// among them.
func (l *list) window(n, h int) (from, to int) {
	h = max(h, 1)
	l.h, l.n = h, n
	l.at = max(min(l.at, n-1), 0)
	l.top = max(min(l.top, n-h, l.at), l.at-h+1, 0)
	return l.top, min(l.top+h, n)
}

// place implements listed.
func (l *list) place() (at, n int) {
	if l.n <= l.h {
		return 0, 0
	}
	return l.at + 1, l.n
}

// scroll moves the lines below the selection, and it with them at the edges.
func (l *list) scroll(by, n int) {
	l.top = max(min(l.top+by, n-l.h), 0)
	l.at = max(min(l.at, l.top+l.h-1, n-1), l.top, 0)
}

// moves are the keys that move the selection among count lines.
func (l *list) moves(count func() int, moved func() tea.Cmd) []binding {
	to := func(where func(n int) int) func() tea.Cmd {
		return func() tea.Cmd {
			n := count()
			l.at = max(min(where(n), n-1), 0)
			return moved()
		}
	}
	return []binding{
		bind("down j ctrl+n", "", "down", to(func(int) int { return l.at + 1 })),
		bind("up k ctrl+p", "", "up", to(func(int) int { return l.at - 1 })),
		bind("ctrl+d", "", "half a page down", to(func(int) int { return l.at + max(l.h/2, 1) })),
		bind("ctrl+u", "", "half a page up", to(func(int) int { return l.at - max(l.h/2, 1) })),
		bind("pgdown ctrl+f", "", "a page down", to(func(int) int { return l.at + max(l.h-1, 1) })),
		bind("pgup ctrl+b", "", "a page up", to(func(int) int { return l.at - max(l.h-1, 1) })),
		bind("home g", "", "to the first", to(func(int) int { return 0 })),
		bind("end G", "", "to the last", to(func(n int) int { return n - 1 })),
	}
}

// picked returns the number of the line at that place, and whether it was
// selected already; -1 for none. Others are selected.
func (l *list) picked(line, n int) (at int, again bool) {
	at = l.top + line
	if line < 0 || line >= l.h || at >= n {
		return -1, false
	}
	again = at == l.at
	l.at = at
	return at, again
}
