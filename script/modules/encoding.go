package modules

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// nativeTextCoding is the Go side of TextEncoder and TextDecoder.
func nativeTextCoding(*Env) map[string]any {
	return map[string]any{
		"encode":       func(s string) []byte { return []byte(s) },
		"encodingName": encodingName,
		"decode":       decodeLabel,
		"valid":        validLabel,
		"complete":     completePrefix,
	}
}

func encodingName(label string) string {
	enc, err := htmlindex.Get(strings.TrimSpace(label))
	if err != nil {
		return ""
	}
	name, err := htmlindex.Name(enc)
	if err != nil || name == "replacement" || name == "x-user-defined" {
		return ""
	}
	return name
}

// decodeLabel decodes b; a byte order mark is dropped unless keepBOM is set.
func decodeLabel(b []byte, name string, keepBOM, _ bool) string {
	var text string
	if name == "utf-8" {
		text = decodeUTF8(b)
	} else if enc := encodingOf(name); enc != nil {
		decoded, err := enc.NewDecoder().Bytes(b)
		if err != nil {
			return decodeUTF8(b)
		}
		text = string(decoded)
	}
	if !keepBOM {
		text = strings.TrimPrefix(text, "\uFEFF")
	}
	return text
}

func encodingOf(name string) encoding.Encoding {
	enc, err := htmlindex.Get(name)
	if err != nil {
		return nil
	}
	return enc
}

func validLabel(b []byte, name string) bool {
	if name == "utf-8" {
		return utf8.Valid(b)
	}
	return !strings.Contains(decodeLabel(b, name, true, false), "\uFFFD")
}

// completePrefix is how much of b holds whole characters.
func completePrefix(b []byte, name string) int {
	switch {
	case strings.HasPrefix(name, "utf-16"):
		n := len(b) &^ 1
		if n >= 2 {
			high := b[n-1]
			if name == "utf-16be" {
				high = b[n-2]
			}
			if high >= 0xd8 && high <= 0xdb {
				n -= 2
			}
		}
		return n
	case name == "utf-8":
		for back := 1; back <= min(3, len(b)); back++ {
			tail := b[len(b)-back:]
			if utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) && brokenPart(tail) == len(tail) {
					return len(b) - back
				}
				return len(b)
			}
		}
	}
	return len(b)
}
