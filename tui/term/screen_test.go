package term

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// cell is a column of a terminal.
type cell struct{ text, style string }

// screen is a terminal for tests: it does what a real one does with the
// sequences that a full-screen program may send, and records every other one
// as a fault.
type screen struct {
	mu      sync.Mutex
	w, h    int
	rows    [][]cell
	x, y    int
	wraps   bool // the next character goes to the next row
	style   string
	from    int // scroll region, the last row of it included
	to      int
	modes   map[string]bool
	clip    string // what was put into the clipboard
	clears  int    // how often all of it was erased
	bytes   int
	faults  []string
	changed chan struct{} // closed by the next write
	rest    string
}

func newScreen(w, h int) *screen {
	s := &screen{modes: map[string]bool{}, changed: make(chan struct{})}
	s.size(w, h)
	return s
}

// size makes the terminal another size. What it shows is lost, as a program
// has to expect.
func (s *screen) size(w, h int) {
	s.w, s.h, s.x, s.y, s.wraps = w, h, 0, 0, false
	s.from, s.to = 0, h-1
	s.rows = make([][]cell, h)
	for i := range s.rows {
		s.rows[i] = s.blank()
	}
}

func (s *screen) blank() []cell {
	row := make([]cell, s.w)
	for i := range row {
		row[i] = cell{text: " "}
	}
	return row
}

func (s *screen) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += len(p)
	text := s.rest + string(p)
	s.rest = ""
	for text != "" {
		n := s.one(text)
		if n == 0 {
			s.rest = text
			break
		}
		text = text[n:]
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return len(p), nil
}

// one takes what text begins with and returns its length; 0 when more of it
// has to come.
func (s *screen) one(text string) int {
	switch b := text[0]; {
	case b == 0x1b:
		return s.escape(text)
	case b == '\r':
		s.x, s.wraps = 0, false
	case b == '\n': // the line discipline adds the carriage return
		s.newline()
		s.x = 0
	case b == '\b':
		s.x, s.wraps = max(s.x-1, 0), false
	case b == '\t':
		s.x = min(s.x/8*8+8, s.w-1)
	case b < 0x20 || b == 0x7f:
		s.fault("control %#x", b)
	default:
		g := displaywidth.StringGraphemes(text)
		g.Next()
		if r, _ := utf8.DecodeRuneInString(g.Value()); r >= 0x80 && r < 0xa0 {
			s.fault("8-bit control %#x", r)
		}
		s.put(g.Value(), g.Width())
		return len(g.Value())
	}
	return 1
}

func (s *screen) newline() {
	s.wraps = false
	if s.y == s.to {
		s.scroll(s.from, 1)
	} else {
		s.y = min(s.y+1, s.h-1)
	}
}

// scroll moves the rows from that one to the end of the region up by n, or
// down with n < 0.
func (s *screen) scroll(from, n int) {
	for ; n > 0; n-- {
		copy(s.rows[from:s.to], s.rows[from+1:s.to+1])
		s.rows[s.to] = s.blank()
	}
	for ; n < 0; n++ {
		copy(s.rows[from+1:s.to+1], s.rows[from:s.to])
		s.rows[from] = s.blank()
	}
}

func (s *screen) put(text string, w int) {
	if w == 0 {
		return
	}
	if s.wraps || s.x+w > s.w {
		s.x = 0
		s.newline()
	}
	s.rows[s.y][s.x] = cell{text, s.style}
	if w == 2 {
		s.rows[s.y][s.x+1] = cell{"", s.style}
	}
	s.x += w
	if s.wraps = s.x >= s.w; s.wraps {
		s.x = s.w - 1
	}
}

func (s *screen) escape(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '[':
		for n := 2; n < len(text); n++ {
			if text[n] >= 0x40 && text[n] <= 0x7e {
				s.csi(text[2:n], text[n])
				return n + 1
			}
		}
		return 0
	case ']', 'P':
		end, size := strings.Index(text, "\x1b\\"), 2
		if bell := strings.IndexByte(text, 7); end < 0 || bell >= 0 && bell < end {
			end, size = bell, 1
		}
		if end < 0 {
			return 0
		}
		if kept, ok := strings.CutPrefix(text[2:end], "52;c;"); ok {
			s.clip = kept
		} else if text[2:end] != "11;?" && text[1] == ']' {
			s.fault("command %q", text[:end])
		}
		return end + size
	case 'M':
		if s.y == s.from {
			s.scroll(s.from, -1)
		} else {
			s.y--
		}
	case '=', '>', '7', '8':
	default:
		s.fault("escape %q", text[:2])
	}
	return 2
}

// csi does what a control sequence says.
func (s *screen) csi(params string, final byte) {
	var args []int
	for _, p := range strings.Split(strings.TrimLeft(params, "<?>="), ";") {
		n, _ := strconv.Atoi(p)
		args = append(args, n)
	}
	n := max(args[0], 1)
	if final != 'm' && final != 'h' && final != 'l' {
		s.wraps = false
	}
	switch {
	case final == 'm' && !strings.HasPrefix(params, ">"):
		if s.style = s.style + "\x1b[" + params + "m"; params == "" || params == "0" {
			s.style = ""
		}
	case final == 'h', final == 'l':
		for _, mode := range strings.Split(params, ";") {
			s.modes[mode] = final == 'h'
		}
		if params == "?1049" {
			s.size(s.w, s.h)
		}
	case strings.ContainsAny(params, "<?>=$ ") || final == 'n' || final == 'c' || final == 'q': // questions, and modes of the keyboard
	case final == 'A':
		s.y = max(s.y-n, 0)
	case final == 'B':
		s.y = min(s.y+n, s.h-1)
	case final == 'C':
		s.x = min(s.x+n, s.w-1)
	case final == 'D':
		s.x = max(s.x-n, 0)
	case final == 'G', final == '`':
		s.x = min(n, s.w) - 1
	case final == 'd':
		s.y = min(n, s.h) - 1
	case final == 'H', final == 'f':
		s.y, s.x = min(n, s.h)-1, 0
		if len(args) > 1 {
			s.x = min(max(args[1], 1), s.w) - 1
		}
	default:
		s.edit(params, final, args, n)
	}
}

// edit erases, inserts, deletes and scrolls.
func (s *screen) edit(params string, final byte, args []int, n int) {
	row := s.rows[s.y]
	erase := func(from, to int) {
		for i := from; i < min(to, s.w); i++ {
			row[i] = cell{text: " ", style: s.style}
		}
	}
	switch final {
	case 'K':
		from, to := s.x, s.w
		if args[0] > 0 {
			from = 0
		}
		if args[0] == 1 {
			to = s.x + 1
		}
		erase(from, to)
	case 'J':
		if args[0] == 2 {
			s.clears++
			s.rows = s.rows[:0]
			for range s.h {
				s.rows = append(s.rows, s.blank())
			}
			return
		}
		erase(s.x, s.w)
		for y := s.y + 1; y < s.h; y++ {
			s.rows[y] = s.blank()
		}
	case 'X':
		erase(s.x, s.x+n)
	case 'P':
		copy(row[s.x:], row[min(s.x+n, s.w):])
		erase(max(s.w-n, s.x), s.w)
	case '@':
		copy(row[min(s.x+n, s.w):], row[s.x:])
		erase(s.x, s.x+n)
	case 'b':
		last := row[max(s.x-1, 0)]
		for range n {
			s.put(last.text, 1)
		}
	case 'L':
		s.scroll(s.y, -n)
	case 'M':
		s.scroll(s.y, n)
	case 'S':
		s.scroll(s.from, n)
	case 'T':
		s.scroll(s.from, -n)
	case 'I':
		s.x = min(s.x/8*8+8*n, s.w-1)
	case 'Z':
		s.x = max((s.x-1)/8*8-8*(n-1), 0)
	case 'r':
		s.from, s.to, s.x, s.y = 0, s.h-1, 0, 0
		if len(args) > 1 {
			s.from, s.to = max(args[0], 1)-1, min(args[1], s.h)-1
		}
	default:
		s.fault("sequence %q %c", params, final)
	}
}

// text is what a person sees.
func (s *screen) text() string {
	var b strings.Builder
	for _, row := range s.rows {
		line := ""
		for _, c := range row {
			line += c.text
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
