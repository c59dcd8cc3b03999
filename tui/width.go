package tui

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// cells are walked one at a time: a column or two of text with everything that
// joins it, or a colour sequence, which has no width. The text must be clean.
type cells struct {
	rest  string
	value string
	width int
	sgr   bool
}

func (c *cells) next() bool {
	if c.rest == "" {
		return false
	}
	if c.rest[0] == 0x1b {
		end := strings.IndexByte(c.rest, 'm')
		if end < 0 {
			end = 0
		}
		c.value, c.rest, c.width, c.sgr = c.rest[:end+1], c.rest[end+1:], 0, true
		return true
	}
	c.sgr = false
	if b := c.rest[0]; b < 0x80 && (len(c.rest) == 1 || c.rest[1] < 0x80) {
		c.value, c.rest, c.width = c.rest[:1], c.rest[1:], 1
		return true
	}
	g := displaywidth.StringGraphemes(c.rest)
	g.Next()
	c.value, c.width = g.Value(), g.Width()
	c.rest = c.rest[len(c.value):]
	return true
}

// width returns how many columns s takes.
func width(s string) int {
	n := 0
	for c := (cells{rest: s}); c.next(); {
		n += c.width
	}
	return n
}

// cut shortens s to at most w columns; what is left out becomes tail.
func cut(s string, w int, tail string) string {
	if len(s) <= w || width(s) <= w { // no byte takes more than a column
		return s
	}
	tw := width(tail)
	if tw > w {
		tail, tw = "", 0
	}
	n, end, colored := 0, 0, false
	for c := (cells{rest: s}); c.next(); {
		if n+c.width > w-tw {
			break
		}
		n += c.width
		end = len(s) - len(c.rest)
		if c.sgr {
			colored = !isReset(c.value)
		}
	}
	if colored {
		return s[:end] + sgrReset + tail
	}
	return s[:end] + tail
}

func isReset(seq string) bool { return seq == sgrReset || seq == "\x1b[0m" }

// wrap breaks s into rows of at most w columns, at most limit of them; colours
// go on in the next row. It prefers to break after a space. What does not fit
// is cut with tail.
func wrap(s string, w, limit int, tail string) []string {
	if len(s) <= w || width(s) <= w {
		return []string{s}
	}
	var rows []string
	var colors string // what is on
	for s != "" {
		if len(rows) == limit-1 {
			return append(rows, closeRow(colors+cut(s, w, tail)))
		}
		n, next := breakAt(s, w)
		row := s[:n]
		s = s[next:]
		rows = append(rows, closeRow(colors+row))
		colors = colorsAfter(colors, row)
	}
	return rows
}

// breakAt returns how many bytes of s go on a row of w columns, and where the
// next row begins.
func breakAt(s string, w int) (end, next int) {
	n, space, spaceAt := 0, 0, 0
	for c := (cells{rest: s}); c.next(); {
		at := len(s) - len(c.rest)
		if n+c.width > w {
			switch {
			case c.value == " ":
				return end, at
			case spaceAt > w/2:
				return space - 1, space
			case end == 0: // wider than a row: nothing to do but take it
				return at, at
			}
			return end, end
		}
		n += c.width
		end = at
		if c.value == " " {
			space, spaceAt = at, n
		}
	}
	return end, end
}

func closeRow(row string) string {
	if strings.Contains(row, "\x1b") && !strings.HasSuffix(row, sgrReset) {
		return row + sgrReset
	}
	return row
}

func colorsAfter(before, row string) string {
	for c := (cells{rest: row}); c.next(); {
		switch {
		case !c.sgr:
		case isReset(c.value):
			before = ""
		case len(before) < 512:
			before += c.value
		}
	}
	return before
}

// pad fills s with spaces up to w columns, on the left when right is set.
func pad(s string, w int, right bool) string {
	n := w - width(s)
	if n <= 0 {
		return s
	}
	if right {
		return strings.Repeat(" ", n) + s
	}
	return s + strings.Repeat(" ", n)
}

// slice returns the columns of s from the one numbered from, counted from 0,
// at most w of them. Colours that are on there stay on.
func slice(s string, from, w int) string {
	n := 0
	var colors string
	for c := (cells{rest: s}); ; {
		if n >= from {
			return closeRow(colors + cut(c.rest, max(w, 0), ""))
		}
		if !c.next() {
			return ""
		}
		n += c.width
		if c.sgr {
			colors = colorsAfter(colors, c.value)
		}
	}
}
