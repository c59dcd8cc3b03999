package web

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a stretch of a log line in one look, as classes of colors.css and
// app.css: f and g with a number are colors of text and ground, the letters b,
// d, i, u, v, x are bold, dim, italic, underlined, inverse and crossed out.
type span struct {
	Text, Class string
}

// maxLineShown is how many bytes of a line are shown.
const maxLineShown = 8 << 10

// look is what SGR sequences have set.
type look struct {
	flags  [6]bool // b d i u v x
	fg, bg int     // color + 1; 0: the default
}

const flagLetters = "bdiuvx"

func (l *look) class() string {
	if *l == (look{}) {
		return ""
	}
	var b strings.Builder
	for i, on := range l.flags {
		if on {
			b.WriteByte(flagLetters[i])
			b.WriteByte(' ')
		}
	}
	if l.fg > 0 {
		b.WriteString("f" + strconv.Itoa(l.fg-1) + " ")
	}
	if l.bg > 0 {
		b.WriteString("g" + strconv.Itoa(l.bg-1) + " ")
	}
	return strings.TrimSuffix(b.String(), " ")
}

// spans splits a line of a log by its colors. Escape sequences that are none
// are left out, and of a very long line the rest.
func spans(line string) []span {
	over := len(line) - maxLineShown
	if over > 0 {
		line = strings.ToValidUTF8(line[:maxLineShown], "")
	}
	var list []span
	var now look
	for line != "" {
		at := strings.IndexByte(line, 0x1b)
		text := line
		if at >= 0 {
			text = line[:at]
		}
		if text != "" {
			list = append(list, span{text, now.class()})
		}
		if at < 0 {
			break
		}
		params, final, rest := sequence(line[at:])
		if final == 'm' {
			now.set(params)
		}
		line = rest
	}
	if over > 0 {
		list = append(list, span{" … " + strconv.Itoa(over) + " more bytes: see the raw log", "cut"})
	}
	return list
}

// plain is the line without its colors.
func plain(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	var b strings.Builder
	for line != "" {
		at := strings.IndexByte(line, 0x1b)
		if at < 0 {
			b.WriteString(line)
			break
		}
		b.WriteString(line[:at])
		_, _, line = sequence(line[at:])
	}
	return b.String()
}

// sequence reads the escape sequence that s begins with. final is 0 when it is
// none of the form ESC [ … letter.
func sequence(s string) (params string, final byte, rest string) {
	if len(s) < 2 {
		return "", 0, ""
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return s[2:i], s[i], s[i+1:]
			}
			if s[i] < 0x20 || s[i] > 0x7e {
				return "", 0, s[i:]
			}
		}
		return "", 0, ""
	case ']': // up to BEL or ESC \
		if i := strings.IndexAny(s[2:], "\a\x1b"); i >= 0 {
			rest = s[2+i:]
			if rest[0] == '\a' {
				return "", 0, rest[1:]
			}
			return "", 0, strings.TrimPrefix(rest, "\x1b\\")
		}
		return "", 0, ""
	}
	_, size := utf8.DecodeRuneInString(s[1:])
	return "", 0, s[1+size:]
}

// set reads the numbers of an SGR sequence.
func (l *look) set(params string) {
	var codes []int
	for field := range strings.FieldsFuncSeq(params+" ", func(r rune) bool { return r == ';' || r == ':' || r == ' ' }) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return
		}
		codes = append(codes, n)
	}
	if len(codes) == 0 {
		*l = look{}
	}
	for i := 0; i < len(codes); i++ {
		switch n := codes[i]; {
		case n == 0:
			*l = look{}
		case n >= 1 && n <= 4:
			l.flags[n-1] = true
		case n == 7:
			l.flags[4] = true
		case n == 9:
			l.flags[5] = true
		case n == 22:
			l.flags[0], l.flags[1] = false, false
		case n == 23 || n == 24:
			l.flags[n-21] = false
		case n == 27 || n == 29:
			l.flags[4+(n-27)/2] = false
		case n >= 30 && n <= 37:
			l.fg = n - 30 + 1
		case n >= 90 && n <= 97:
			l.fg = n - 90 + 8 + 1
		case n == 39:
			l.fg = 0
		case n >= 40 && n <= 47:
			l.bg = n - 40 + 1
		case n >= 100 && n <= 107:
			l.bg = n - 100 + 8 + 1
		case n == 49:
			l.bg = 0
		case n == 38 || n == 48:
			color, used := extended(codes[i+1:])
			i += used
			if n == 38 {
				l.fg = color + 1
			} else {
				l.bg = color + 1
			}
		}
	}
}

// extended reads 5;n or 2;r;g;b. Colors of 24 bits become the nearest of the
// 256 ones; -1 is none.
func extended(codes []int) (color, used int) {
	switch {
	case len(codes) >= 2 && codes[0] == 5:
		if codes[1] < 0 || codes[1] > 255 {
			return -1, 2
		}
		return codes[1], 2
	case len(codes) >= 4 && codes[0] == 2:
		level := func(v int) int {
			switch v = min(max(v, 0), 255); {
			case v < 48:
				return 0
			case v < 115:
				return 1
			}
			return (v - 35) / 40
		}
		return 16 + 36*level(codes[1]) + 6*level(codes[2]) + level(codes[3]), 4
	}
	return -1, len(codes)
}
