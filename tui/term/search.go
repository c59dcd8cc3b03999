package term

import (
	"strings"
	"unicode"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// search is a text that is looked for in a log.
type search struct {
	text  string
	lines []int // the numbers of those that have it
	upTo  int   // lines that were looked at
	at    int   // in lines; -1 for none
}

// look goes through the lines that it has not seen yet.
func (s *search) look(lines []brigade.LogLine) {
	if s.text == "" {
		return
	}
	for ; s.upTo < len(lines); s.upTo++ {
		if from, _ := s.find(tui.Clean(lines[s.upTo].Text, false)); from >= 0 {
			s.lines = append(s.lines, s.upTo)
		}
	}
}

// find returns where the text begins and ends in the line; -1 when it is not
// there. Case counts when the text has an upper-case letter.
func (s *search) find(line string) (from, to int) {
	if strings.ContainsFunc(s.text, unicode.IsUpper) {
		from = strings.Index(line, s.text)
		return from, from + len(s.text)
	}
	return foldIndex(line, s.text)
}

// foldIndex is strings.Index without regard to case; text is in lower case.
func foldIndex(line, text string) (from, to int) {
	for i := range line {
		if n, ok := foldPrefix(line[i:], text); ok {
			return i, i + n
		}
	}
	return -1, -1
}

func foldPrefix(line, text string) (n int, ok bool) {
	for text != "" {
		a, an := utf8.DecodeRuneInString(line[n:])
		b, bn := utf8.DecodeRuneInString(text)
		if an == 0 || a != b && unicode.ToLower(a) != b {
			return 0, false
		}
		n += an
		text = text[bn:]
	}
	return n, true
}

// dropped tells that the first n lines are gone.
func (s *search) dropped(n int) {
	kept := s.lines[:0]
	for _, at := range s.lines {
		if at >= n {
			kept = append(kept, at-n)
		}
	}
	s.at = max(s.at-(len(s.lines)-len(kept)), -1)
	s.lines, s.upTo = kept, max(s.upTo-n, 0)
}

// mark shows the text in a line that has it; such a line has no other colours.
// The line on which one is has it in bold.
func (s *search) mark(line string, number int, look tui.Look) string {
	plain := tui.Clean(line, false)
	var b strings.Builder
	for plain != "" {
		from, to := s.find(plain)
		if from < 0 || to <= from {
			break
		}
		hit := "\x1b[7m" + plain[from:to] + "\x1b[m"
		if s.at >= 0 && s.at < len(s.lines) && s.lines[s.at] == number {
			hit = "\x1b[1;7m" + plain[from:to] + "\x1b[m"
		}
		b.WriteString(plain[:from] + hit)
		plain = plain[to:]
	}
	if b.Len() == 0 {
		return line
	}
	return b.String() + plain
}

// place says which of how many it is.
func (s *search) place() string {
	if len(s.lines) == 0 {
		return "nowhere"
	}
	if s.at < 0 {
		return count(len(s.lines))
	}
	return count(s.at+1) + "/" + count(len(s.lines))
}
