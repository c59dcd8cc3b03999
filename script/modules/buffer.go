package modules

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func nativeEncodings(*Env) map[string]any {
	return map[string]any{
		"encode": encodeText, "decode": decodeBytes, "utf8Length": func(s string) int { return len(s) },
		"indexOf": indexOf, "compare": bytes.Compare, "valid": validText,
	}
}

// encodeText turns text into bytes. Like Node it drops what an encoding cannot
// hold and never fails.
func encodeText(text, encoding string) []byte {
	switch encoding {
	case "latin1", "ascii":
		units := utf16.Encode([]rune(text))
		out := make([]byte, len(units))
		for i, u := range units {
			out[i] = byte(u)
		}
		return out
	case "hex":
		text = text[:len(text)&^1]
		out := make([]byte, hex.DecodedLen(len(text)))
		n, _ := hex.Decode(out, []byte(text))
		return out[:n]
	case "base64", "base64url":
		return decodeBase64(text)
	}
	return []byte(text)
}

// decodeBase64 reads both alphabets, skips what belongs to neither and stops at
// the first padding.
func decodeBase64(text string) []byte {
	clean := make([]byte, 0, len(text))
loop:
	for i := range len(text) {
		switch c := text[i]; {
		case c == '=':
			break loop
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(out, clean) // never fails: the alphabet is checked
	return out[:n]
}

// decodeBytes turns bytes into text.
func decodeBytes(b []byte, encoding string) string {
	switch encoding {
	case "latin1":
		return latin1Text(b, 0xff)
	case "ascii":
		return latin1Text(b, 0x7f)
	case "hex":
		return hex.EncodeToString(b)
	case "base64":
		return base64.StdEncoding.EncodeToString(b)
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return decodeUTF8(b)
}

func latin1Text(b []byte, mask byte) string {
	var out strings.Builder
	out.Grow(len(b))
	for _, c := range b {
		out.WriteRune(rune(c & mask))
	}
	return out.String()
}

// decodeUTF8 replaces what is not UTF-8 as the Encoding Standard says: one
// U+FFFD for each maximal part of a sequence.
func decodeUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b) + 8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			size = brokenPart(b)
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// brokenPart is the length of the incomplete sequence b begins with.
func brokenPart(b []byte) int {
	lead := b[0]
	low, high, need := byte(0x80), byte(0xbf), 0
	switch {
	case lead >= 0xc2 && lead <= 0xdf:
		need = 1
	case lead >= 0xe0 && lead <= 0xef:
		need = 2
		if lead == 0xe0 {
			low = 0xa0
		} else if lead == 0xed {
			high = 0x9f
		}
	case lead >= 0xf0 && lead <= 0xf4:
		need = 3
		if lead == 0xf0 {
			low = 0x90
		} else if lead == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= need && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

// indexOf finds needle at or after from, or at or before it when not forward.
// Positions are multiples of step.
func indexOf(b, needle []byte, from int, forward bool, step int) int {
	if from < 0 || from > len(b) {
		return -1
	}
	if step == 1 && forward {
		if i := bytes.Index(b[from:], needle); i >= 0 {
			return from + i
		}
		return -1
	}
	if step == 1 {
		return bytes.LastIndex(b[:min(from+len(needle), len(b))], needle)
	}
	move := step
	if from %= len(b) + 1; !forward {
		move = -step
	}
	for i := from - from%step; i >= 0 && i+len(needle) <= len(b); i += move {
		if bytes.Equal(b[i:i+len(needle)], needle) {
			return i
		}
	}
	return -1
}

func validText(b []byte, encoding string) bool {
	if encoding != "ascii" {
		return utf8.Valid(b)
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
