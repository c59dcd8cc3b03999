package tui

import (
	"strings"
	"unicode/utf8"
)

const (
	tabStop  = 8
	maxMarks = 16 // code points in one column; a family emoji with skin tones has 11
	maxSGR   = 48 // bytes of parameters of one colour sequence
	sgrReset = "\x1b[m"
)

// Clean returns text from outside so that it is safe to print on one line of a
// terminal. Control sequences other than colours go, and colours too unless
// sgr is set; so do 8-bit controls, bidirectional overrides and invalid bytes
// (shown as U+FFFD). Tabs become spaces, backspaces take back, and of what a
// carriage return would overwrite only the last version stays. Text that used
// colours ends with a reset.
func Clean(text string, sgr bool) string {
	if isPlain(text) {
		return text
	}
	c := cleaner{sgr: sgr}
	c.run(text)
	if c.colored {
		c.out = append(c.out, sgrReset...)
	}
	return string(c.out)
}

// isPlain reports whether text is printable ASCII: the fast way out.
func isPlain(text string) bool {
	for i := range len(text) {
		if b := text[i]; b < 0x20 || b >= 0x7f {
			return false
		}
	}
	return true
}

type cleaner struct {
	out     []byte
	sgr     bool
	colored bool // a colour is on
	column  int  // code points since the last carriage return, for tabs
	marks   int  // code points without a width since the last one with
	last    int  // where the last printable began in out; -1: nothing to take back
	fresh   bool // a carriage return came: the next printable starts over
	kept    []byte
}

func (c *cleaner) run(s string) {
	c.last = -1
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0x1b:
			n = c.escape(s)
		case r == 0x9b:
			n = 2 + c.csi(s[2:])
		case r == 0x90 || r == 0x98 || r == 0x9d || r == 0x9e || r == 0x9f:
			n = 2 + stringEnd(s[2:])
		case r == '\r':
			c.fresh = true
		case r == '\b':
			c.back()
		case r == '\t':
			c.printable(strings.Repeat(" ", tabStop-c.column%tabStop))
		case r == '\n' || r == 0x0b || r == 0x0c || r == 0x2028 || r == 0x2029:
			c.printable(" ")
		case isHidden(r):
		case r == utf8.RuneError && n == 1:
			c.printable("\uFFFD")
		case isMark(r):
			c.mark(s[:n])
		default:
			c.printable(s[:n])
		}
		s = s[n:]
	}
}

// isHidden reports whether r is a control that must not reach a terminal, or
// reorders or hides text there.
func isHidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r == 0x061c, r == 0x200b, r == 0x200e, r == 0x200f, r == 0xfeff, r == 0x2060:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x206f:
		return true
	case r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe001f:
		return true
	}
	return false
}

// isMark reports whether r joins the column of the one before it.
func isMark(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r == 0x200c || r == 0x200d ||
		r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff ||
		r >= 0x20d0 && r <= 0x20ff || r >= 0xfe00 && r <= 0xfe0f ||
		r >= 0xfe20 && r <= 0xfe2f || r >= 0xe0020 && r <= 0xe01ef
}

func (c *cleaner) mark(s string) {
	if c.marks++; c.marks < maxMarks && !c.fresh {
		c.out = append(c.out, s...)
	}
}

func (c *cleaner) printable(s string) {
	if c.fresh {
		c.out, c.column, c.fresh = append(c.out[:0], c.kept...), 0, false
	}
	c.last, c.marks = len(c.out), 0
	c.out = append(c.out, s...)
	c.column += utf8.RuneCountInString(s)
}

// back takes the last printable back, as an overstrike or a spinner means it.
func (c *cleaner) back() {
	if c.last >= 0 && c.last < len(c.out) {
		c.out = c.out[:c.last]
		c.column--
	}
	c.last = -1
}

// escape skips or keeps the sequence that s starts with, and returns its length.
func (c *cleaner) escape(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch b := s[1]; {
	case b == '[':
		return 2 + c.csi(s[2:])
	case b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_':
		return 2 + stringEnd(s[2:])
	case b >= 0x20 && b <= 0x2f: // intermediates, then a final: a character set
		n := 1
		for n < len(s) && s[n] >= 0x20 && s[n] <= 0x2f {
			n++
		}
		if n < len(s) && s[n] >= 0x30 && s[n] < 0x7f {
			n++
		}
		return n
	case b >= 0x30 && b < 0x7f:
		return 2
	}
	return 1
}

// stringEnd returns the length of a control string with its terminator. One
// that does not end takes the whole line.
func stringEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == 0x07:
			return i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == 0xc2 && i+1 < len(s) && s[i+1] == 0x9c:
			return i + 2
		}
	}
	return len(s)
}

// csi handles a control sequence after its introducer and returns its length.
func (c *cleaner) csi(s string) int {
	n := 0
	for n < len(s) && s[n] >= 0x30 && s[n] <= 0x3f {
		n++
	}
	params := s[:n]
	mid := n
	for n < len(s) && s[n] >= 0x20 && s[n] <= 0x2f {
		n++
	}
	if n >= len(s) {
		return n
	}
	final := s[n]
	if final < 0x40 || final > 0x7e {
		return n // broken off by something else
	}
	if final == 'm' && mid == n && c.sgr {
		c.color(params)
	}
	return n + 1
}

// color keeps a colour sequence without what hides or blinks.
func (c *cleaner) color(params string) {
	if len(params) > maxSGR || strings.ContainsAny(params, "<=>?") {
		return
	}
	kept, on := filterSGR(params)
	if kept == "" && params != "" {
		return
	}
	seq := "\x1b[" + kept + "m"
	if c.fresh { // it belongs to the text that starts over
		c.out, c.column, c.fresh = append(c.out[:0], c.kept...), 0, false
	}
	c.out = append(c.out, seq...)
	c.last = -1
	c.colored = on
	if on {
		c.kept = append(c.kept, seq...)
		if len(c.kept) > 1<<10 {
			c.kept = append(c.kept[:0], seq...)
		}
	} else {
		c.kept = c.kept[:0]
	}
}

// filterSGR drops conceal (8) and blink (5, 6) and reports whether a colour is
// on after the sequence.
func filterSGR(params string) (kept string, on bool) {
	parts := strings.Split(params, ";")
	out := parts[:0:0]
	for i := 0; i < len(parts); i++ {
		p := strings.TrimLeft(parts[i], "0")
		switch {
		case p == "5" || p == "6" || p == "8":
			continue
		case p == "":
			on = false
		default:
			on = true
		}
		out = append(out, parts[i])
		if p == "38" || p == "48" || p == "58" { // their arguments are no attributes
			n := 0
			if i+1 < len(parts) {
				switch strings.TrimLeft(parts[i+1], "0") {
				case "5":
					n = 2
				case "2":
					n = 4
				}
			}
			for ; n > 0 && i+1 < len(parts); n-- {
				i++
				out = append(out, parts[i])
			}
		}
	}
	return strings.Join(out, ";"), on
}
