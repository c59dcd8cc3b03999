package whatwg

import (
	"strings"
)

// A set says which ASCII code points are percent-encoded; all others are.
type set [128]bool

func newSet(base *set, more string) *set {
	s := *base
	for i := range len(more) {
		s[more[i]] = true
	}
	return &s
}

var (
	c0Set           = controls()
	fragmentSet     = newSet(c0Set, " \"<>`")
	querySet        = newSet(c0Set, " \"#<>")
	specialQuerySet = newSet(querySet, "'")
	pathSet         = newSet(querySet, "?`{}")
	userinfoSet     = newSet(pathSet, "/:;=@[\\]^|")
)

func controls() *set {
	var s set
	for i := range s {
		s[i] = i <= 0x1f || i == 0x7f
	}
	return &s
}

const hexDigits = "0123456789ABCDEF"

func encode(text string, s *set) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 || s[c] {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// PercentDecode replaces every %XX; what is no such sequence stays.
func PercentDecode(text string) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			hi, lo := unhex(text[i+1]), unhex(text[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isAlpha(c rune) bool { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') }
func isDigit(c rune) bool { return c >= '0' && c <= '9' }

func lower(c rune) rune {
	if c >= 'A' && c <= 'Z' {
		return c + 32
	}
	return c
}
