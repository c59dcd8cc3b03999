package engine

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// jsonMistake says what is wrong with a JSON text in the words that Node uses,
// since people and scripts know them. It is "" for a text that is right.
func jsonMistake(text string) string {
	p := &jsonReader{text: utf16.Encode([]rune(text))}
	p.space()
	if p.value(0); p.mistake == "" {
		if p.space(); p.pos < len(p.text) {
			p.mistake = fmt.Sprintf("Unexpected non-whitespace character after JSON at position %d", p.pos)
		}
	}
	return p.mistake
}

// jsonReader reads JSON up to the first mistake. Positions count UTF-16 units,
// as in JavaScript.
type jsonReader struct {
	text    []uint16
	pos     int
	mistake string
}

const jsonEnd = 0xffff // what next returns at the end of the text; no JSON has it outside strings

func (p *jsonReader) next() uint16 {
	if p.pos >= len(p.text) {
		return jsonEnd
	}
	return p.text[p.pos]
}

func (p *jsonReader) space() {
	for c := p.next(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = p.next() {
		p.pos++
	}
}

func (p *jsonReader) expected(what string) {
	p.mistake = fmt.Sprintf("%s in JSON at position %d", what, p.pos)
}

func isDigit(c uint16) bool { return c >= '0' && c <= '9' }

// value reads a value and reports whether it was one.
func (p *jsonReader) value(depth int) bool {
	switch c := p.next(); {
	case depth > maxJSONNested:
		p.mistake = "the JSON text is nested too deep"
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.quoted()
	case c == '-' || isDigit(c):
		return p.number()
	case c == 't':
		return p.word("true")
	case c == 'f':
		return p.word("false")
	case c == 'n':
		return p.word("null")
	default:
		p.unexpected()
	}
	return false
}

func (p *jsonReader) object(depth int) bool {
	p.pos++
	p.space()
	if p.next() == '}' {
		p.pos++
		return true
	}
	missing := "Expected property name or '}'"
	for first := true; ; first, missing = false, "Expected double-quoted property name" {
		if p.next() != '"' {
			p.expected(missing)
			return false
		}
		if !p.quoted() || !p.colon(first) {
			return false
		}
		p.space()
		if !p.value(depth + 1) {
			return false
		}
		p.space()
		switch p.next() {
		case ',':
			p.pos++
			p.space()
		case '}':
			p.pos++
			return true
		default:
			p.expected("Expected ',' or '}' after property value")
			return false
		}
	}
}

// colon reads what stands after the name of a property. Node has words of its
// own about the first of an object.
func (p *jsonReader) colon(first bool) bool {
	switch p.space(); {
	case p.next() == ':':
		p.pos++
		return true
	case first:
		p.expected("Expected ':' after property name")
	default:
		p.unexpected()
	}
	return false
}

func (p *jsonReader) array(depth int) bool {
	p.pos++
	p.space()
	if p.next() == ']' {
		p.pos++
		return true
	}
	for {
		if !p.value(depth + 1) {
			return false
		}
		p.space()
		switch p.next() {
		case ',':
			p.pos++
			p.space()
		case ']':
			p.pos++
			return true
		default:
			p.expected("Expected ',' or ']' after array element")
			return false
		}
	}
}

func (p *jsonReader) word(word string) bool {
	for _, c := range word {
		if p.next() != uint16(c) {
			p.unexpected()
			return false
		}
		p.pos++
	}
	return true
}

func (p *jsonReader) number() bool {
	if p.next() == '-' {
		if p.pos++; !isDigit(p.next()) {
			p.expected("No number after minus sign")
			return false
		}
	}
	if p.next() == '0' {
		if p.pos++; isDigit(p.next()) {
			p.unexpected()
			return false
		}
	}
	p.digits()
	if p.next() == '.' {
		if p.pos++; !isDigit(p.next()) {
			p.expected("Unterminated fractional number")
			return false
		}
		p.digits()
	}
	if p.next()|0x20 == 'e' {
		if p.pos++; p.next() == '+' || p.next() == '-' {
			p.pos++
		}
		if !isDigit(p.next()) {
			p.expected("Exponent part is missing a number")
			return false
		}
		p.digits()
	}
	return true
}

func (p *jsonReader) digits() {
	for isDigit(p.next()) {
		p.pos++
	}
}

func (p *jsonReader) quoted() bool {
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return true
		case c < ' ':
			p.expected("Bad control character in string literal")
			return false
		case c == '\\':
			if !p.escape() {
				return false
			}
		}
	}
	p.expected("Unterminated string")
	return false
}

// escape reads an escape up to its last character.
func (p *jsonReader) escape() bool {
	p.pos++
	c := p.next()
	if p.pos >= len(p.text) {
		p.unexpected()
		return false
	}
	if c != 'u' {
		if c > 'z' || !strings.ContainsRune(`"\/bfnrt`, rune(c)) {
			p.expected("Bad escaped character")
			return false
		}
		return true
	}
	for range 4 {
		p.pos++
		if d := p.next() | 0x20; !isDigit(p.next()) && (d < 'a' || d > 'f') {
			p.expected("Bad Unicode escape")
			return false
		}
	}
	return true
}

// shownAround is how much of the text around a mistake is shown.
const shownAround = 10

// unexpected is the mistake that something stands where nothing of its kind may.
func (p *jsonReader) unexpected() {
	all := string(utf16.Decode(p.text))
	switch c := p.next(); {
	case p.pos >= len(p.text):
		p.mistake = "Unexpected end of JSON input"
	case c == '-' || isDigit(c):
		p.expected("Unexpected number")
	case c == '"':
		p.expected("Unexpected string")
	case all == "undefined" || all == "NaN" || all == "Infinity" || all == "[object Object]":
		p.mistake = fmt.Sprintf("%q is not valid JSON", all)
	default:
		from, to, before, after := 0, len(p.text), "", ""
		if len(p.text) > 2*shownAround {
			if p.pos >= shownAround {
				from, before = p.pos-shownAround, "..."
			}
			if p.pos < len(p.text)-shownAround {
				to, after = p.pos+shownAround, "..."
			}
		}
		p.mistake = fmt.Sprintf(`Unexpected token '%s', %s"%s"%s is not valid JSON`,
			string(utf16.Decode(p.text[p.pos:p.pos+1])), before, string(utf16.Decode(p.text[from:to])), after)
	}
}
