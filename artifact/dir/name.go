package dir

import (
	"encoding/hex"
	"strings"
)

// How the parts of a path begin, so that none is a name that means something
// on some system (".", "nul", ".git").
const (
	finished  = "f." // an artifact, or the end of its name
	continued = "d." // a directory: the start of a name that is too long for one part
	temporary = "t." // not complete yet
)

// longest is how long a part may get, well below the 255 bytes that file
// systems take.
const longest = 180

// encode writes a text with lower-case letters, digits and . - _ only: ! before
// a letter makes it a capital, and %xx is any other byte. Dots do not follow
// each other. It is the same text where capitals do not count.
func encode(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_',
			c == '.' && i > 0 && text[i-1] != '.' && i < len(text)-1:
			b.WriteByte(c)
		case c >= 'A' && c <= 'Z':
			b.WriteByte('!')
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte('%')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// decode is the reverse of encode; false for what encode does not write.
func decode(part string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		switch c := part[i]; c {
		case '!':
			if i++; i == len(part) || part[i] < 'a' || part[i] > 'z' {
				return "", false
			}
			b.WriteByte(part[i] - 'a' + 'A')
		case '%':
			if i+2 >= len(part) {
				return "", false
			}
			char, err := hex.DecodeString(part[i+1 : i+3])
			if err != nil {
				return "", false
			}
			b.Write(char)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	text := b.String()
	return text, encode(text) == part
}

// pathOf is the path of an artifact within its job's directory.
func pathOf(name string) string {
	var parts []string
	rest := encode(name)
	for len(rest) > longest {
		n := longest
		if rest[n-1] == '.' { // some systems drop a dot at the end
			n--
		}
		parts = append(parts, continued+rest[:n])
		rest = rest[n:]
	}
	return strings.Join(append(parts, finished+rest), "/")
}

// nameOf is the reverse of pathOf; false for files that are not artifacts.
func nameOf(path string) (string, bool) {
	parts := strings.Split(path, "/")
	var b strings.Builder
	for i, part := range parts {
		prefix := continued
		if i == len(parts)-1 {
			prefix = finished
		}
		rest, ours := strings.CutPrefix(part, prefix)
		if !ours {
			return "", false
		}
		b.WriteString(rest)
	}
	return decode(b.String())
}
