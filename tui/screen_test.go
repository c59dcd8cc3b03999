package tui

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// screen is a terminal for tests: it does what a real one does with the
// sequences a view may send, and records every other one as a fault.
type screen struct {
	w, h    int
	rows    [][]string // cells; scrolled ones first
	wrapped []bool     // the row goes on in the next one
	top     int        // index of the first visible row
	x, y    int        // cursor; y counts from the first row of all
	pending bool       // the next character wraps
	nowrap  bool
	hidden  bool
	sync    bool
	faults  []string
	writes  int
	colors  map[string]bool
}

func newScreen(w, h int) *screen {
	return &screen{w: w, h: h, rows: [][]string{nil}, wrapped: []bool{false}, colors: map[string]bool{}}
}

func (s *screen) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	text := string(p)
	for text != "" {
		switch b := text[0]; {
		case b == 0x1b:
			text = s.escape(text)
		case b == '\r':
			s.x, s.pending, text = 0, false, text[1:]
		case b == '\n':
			s.newline(false)
			s.x, text = 0, text[1:]
		case b < 0x20 || b == 0x7f:
			s.fault("control %#x", b)
			text = text[1:]
		default:
			g := displaywidth.StringGraphemes(text)
			g.Next()
			if r, _ := utf8.DecodeRuneInString(g.Value()); r >= 0x80 && r < 0xa0 {
				s.fault("8-bit control %#x", r)
			}
			s.put(g.Value(), g.Width())
			text = text[len(g.Value()):]
		}
	}
	return len(p), nil
}

func (s *screen) newline(wrap bool) {
	s.wrapped[s.y] = wrap
	s.y, s.pending = s.y+1, false
	if s.y == len(s.rows) {
		s.rows, s.wrapped = append(s.rows, nil), append(s.wrapped, false)
	}
	s.top = max(s.top, s.y-s.h+1)
}

func (s *screen) put(cell string, w int) {
	if w == 0 {
		return
	}
	if s.pending || s.x+w > s.w {
		if s.nowrap {
			s.x = s.w - w
		} else {
			s.newline(true)
			s.x = 0
		}
	}
	row := s.rows[s.y]
	for len(row) < s.x+w {
		row = append(row, " ")
	}
	row[s.x] = cell
	if w == 2 {
		row[s.x+1] = ""
	}
	s.rows[s.y] = row
	s.x += w
	if s.pending = s.x >= s.w; s.pending {
		s.x = s.w - 1
	}
}

func (s *screen) escape(text string) string {
	if len(text) < 3 || text[1] != '[' {
		s.fault("escape %q", text[:min(len(text), 8)])
		return text[1:]
	}
	n := 2
	for n < len(text) && (text[n] < 0x40 || text[n] > 0x7e) {
		n++
	}
	if n == len(text) {
		s.fault("unfinished %q", text)
		return ""
	}
	params, final := text[2:n], text[n]
	arg, _ := strconv.Atoi(params)
	switch {
	case final == 'm':
		s.colors[params] = true
	case final == 'A':
		if s.y-max(arg, 1) < s.top {
			s.fault("cursor beyond the top")
		}
		s.y, s.pending = max(s.top, s.y-max(arg, 1)), false
	case final == 'K' && params == "2":
		s.rows[s.y] = nil
	case final == 'J' && params == "":
		if len(s.rows[s.y]) > s.x && !s.pending {
			s.rows[s.y] = s.rows[s.y][:s.x]
		}
		s.rows, s.wrapped = s.rows[:s.y+1], s.wrapped[:s.y+1]
	case params == "?25":
		s.hidden = final == 'l'
	case params == "?7":
		s.nowrap = final == 'l'
	case params == "?2026":
		s.sync = final == 'h'
	default:
		s.fault("sequence %q", text[:n+1])
	}
	return text[n+1:]
}

// resize makes the terminal another size and wraps its rows anew, as most do.
func (s *screen) resize(w, h int) {
	var rows [][]string
	var wrapped []bool
	y, x := 0, s.x
	for i := 0; i < len(s.rows); i++ {
		row := s.rows[i]
		at := s.x
		for s.wrapped[i] && i+1 < len(s.rows) {
			if i == s.y {
				y = len(rows)
			}
			i++
			at += len(row)
			row = append(append([]string{}, row...), s.rows[i]...)
		}
		first := len(rows)
		for len(row) > w {
			rows, wrapped = append(rows, row[:w]), append(wrapped, true)
			row = row[w:]
		}
		rows, wrapped = append(rows, row), append(wrapped, false)
		if i == s.y {
			y, x = min(first+at/w, len(rows)-1), at%w
		}
	}
	s.rows, s.wrapped, s.y, s.x = rows, wrapped, y, x
	s.w, s.h, s.pending = w, h, false
	s.top = max(0, len(s.rows)-h)
}

// all is everything ever shown, the scrolled rows included.
func (s *screen) all() string { return s.text(0) }

// visible is what a person sees.
func (s *screen) visible() string { return s.text(s.top) }

func (s *screen) text(from int) string {
	var b strings.Builder
	for _, row := range s.rows[from:] {
		b.WriteString(strings.TrimRight(strings.Join(row, ""), " "))
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
