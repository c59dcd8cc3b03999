package tui

import (
	"bytes"
	"io"
	"strconv"
)

// The control sequences a canvas uses.
const (
	syncOn     = "\x1b[?2026h" // the terminal shows the frame in one go
	syncOff    = "\x1b[?2026l"
	cursorHide = "\x1b[?25l"
	cursorShow = "\x1b[?25h"
	wrapOff    = "\x1b[?7l"
	wrapOn     = "\x1b[?7h"
	eraseLine  = "\x1b[2K"
	eraseBelow = "\x1b[J"
)

// canvas keeps a block of lines at the end of what a terminal shows, below
// lines that scroll away. Between frames the cursor is at the end of the
// block's last line. Every frame is a single write.
type canvas struct {
	out    io.Writer
	block  []string // as drawn
	width  int      // of the terminal then
	hidden bool
	buf    bytes.Buffer
	err    error
}

// frame prints lines above the block and draws the block anew. No line may be
// wider than width-1; block is empty to remove it.
func (c *canvas) frame(lines, block []string, w, h int) {
	same := len(lines) == 0 && w == c.width && len(block) == len(c.block)
	if same && equal(block, c.block) {
		return
	}
	b := &c.buf
	b.Reset()
	b.WriteString(syncOn)
	if !c.hidden && len(block) > 0 {
		b.WriteString(cursorHide)
		c.hidden = true
	}
	b.WriteByte('\r')
	if up := c.rowsAbove(w, h); up > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(up) + "A")
	}
	for _, line := range lines {
		b.WriteString(eraseLine)
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	if len(block) > 0 {
		b.WriteString(wrapOff)
	}
	for i, line := range block {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if !same || i == len(block)-1 || line != c.block[i] {
			b.WriteString(eraseLine)
			b.WriteString(line)
		}
	}
	if !same {
		b.WriteString(eraseBelow)
	}
	if len(block) > 0 {
		b.WriteString(wrapOn)
	} else if c.hidden {
		b.WriteString(cursorShow)
		c.hidden = false
	}
	b.WriteString(syncOff)
	c.block, c.width = append(c.block[:0], block...), w
	if c.err == nil {
		_, c.err = c.out.Write(b.Bytes())
	}
	if b.Cap() > 1<<20 {
		c.buf = bytes.Buffer{}
	}
}

// rowsAbove is how many rows the cursor is below the block's first one, when
// the terminal is w columns wide by now and has wrapped the lines anew.
func (c *canvas) rowsAbove(w, h int) int {
	rows := len(c.block) - 1
	if w < c.width {
		rows = -1
		for _, line := range c.block {
			rows += max(1, (width(line)+w-1)/w)
		}
	}
	return min(rows, h-1)
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
