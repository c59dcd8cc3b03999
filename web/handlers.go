package web

import (
	"strings"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// A script's handlers are found without running it: calls of on and once of
// what is named events.

// handlerCall is a place in a script where a handler is registered.
type handlerCall struct {
	Event string // "" when the script computes it
	Line  int
}

// eventsAlias finds other names that a script gives to events.
var eventsAlias = lazyregexp.New(`\bevents\s*(?::|\bas\b)\s*([A-Za-z_$][\w$]*)|\b([A-Za-z_$][\w$]*)\s*=\s*require\([^()]*\)\.events\b`)

const maxHandlers = 200

// handlersIn returns the handlers of a script, in order.
func handlersIn(script string) []handlerCall {
	names := map[string]bool{"events": true}
	for _, m := range eventsAlias.FindAllStringSubmatch(script, 20) {
		names[m[1]+m[2]] = true
	}
	var list []handlerCall
	s := scanner{text: script, line: 1}
	for before := [3]token{}; len(list) < maxHandlers; {
		t := s.next()
		if t.kind == endToken {
			return list
		}
		// events . on (
		if t.text == "(" && (before[2].text == "on" || before[2].text == "once") && before[1].text == "." && names[before[0].text] {
			line := before[2].line
			name := ""
			if t = s.next(); t.kind == stringToken {
				name = t.text
				if t = s.next(); t.text != "," && t.text != ")" {
					name = "" // a part of something longer
				}
			}
			list = append(list, handlerCall{cut(name, 256), line})
		}
		before = [3]token{before[1], before[2], t}
	}
	return list
}

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	stringToken
	otherToken
)

type token struct {
	kind tokenKind
	text string
	line int
}

// scanner splits JavaScript into words, strings and single characters, and
// leaves out comments and regular expressions.
type scanner struct {
	text string
	at   int
	line int
	last token // before which a / is no division
}

func (s *scanner) next() token {
	t := s.scan()
	s.last = t
	return t
}

func (s *scanner) scan() token {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch c := rest[0]; {
		case c == '\n':
			s.line++
			s.at++
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case strings.HasPrefix(rest, "//"):
			s.skip(strings.IndexByte(rest, '\n'))
		case strings.HasPrefix(rest, "/*"):
			if end := strings.Index(rest[2:], "*/"); end >= 0 {
				s.skip(end + 4)
			} else {
				s.skip(-1)
			}
		case c == '\'' || c == '"' || c == '`':
			return s.quoted(c)
		case c == '/' && s.mayBeExpression():
			s.expression()
		case isWord(c):
			return s.word()
		default:
			_, size := utf8.DecodeRuneInString(rest)
			t := token{otherToken, rest[:size], s.line}
			s.at += size
			return t
		}
	}
	return token{kind: endToken}
}

// skip goes n bytes on, or to the end when n is negative.
func (s *scanner) skip(n int) {
	if n < 0 {
		n = len(s.text) - s.at
	}
	s.line += strings.Count(s.text[s.at:s.at+n], "\n")
	s.at += n
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

func (s *scanner) word() token {
	from := s.at
	for s.at < len(s.text) && isWord(s.text[s.at]) {
		s.at++
	}
	return token{wordToken, s.text[from:s.at], s.line}
}

// quoted reads a string. A template with something in it is none whose value
// is known.
func (s *scanner) quoted(quote byte) token {
	line, from := s.line, s.at+1
	known := true
	var text strings.Builder
	for i := from; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == quote:
			s.skip(i + 1 - s.at)
			if !known {
				return token{otherToken, "template", line}
			}
			return token{stringToken, text.String(), line}
		case c == '\\':
			i++
			if i < len(s.text) {
				text.WriteByte(s.text[i])
			}
		case c == '\n' && quote != '`': // not closed
			s.skip(i - s.at)
			return token{otherToken, "", line}
		default:
			known = known && !(quote == '`' && c == '$' && i+1 < len(s.text) && s.text[i+1] == '{')
			text.WriteByte(c)
		}
	}
	s.skip(-1)
	return token{otherToken, "", line}
}

// mayBeExpression reports whether a / begins a regular expression here.
func (s *scanner) mayBeExpression() bool {
	switch s.last.kind {
	case endToken:
		return true
	case otherToken:
		return s.last.text != ")" && s.last.text != "]" && s.last.text != "}" && s.last.text != "template"
	case wordToken:
		return s.last.text == "return" || s.last.text == "typeof" || s.last.text == "case"
	}
	return false
}

// expression goes past a regular expression.
func (s *scanner) expression() {
	inClass := false
	for i := s.at + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '[':
			inClass = true
		case ']':
			inClass = false
		case '\n': // a division after all
			s.at++
			return
		case '/':
			if !inClass {
				s.skip(i + 1 - s.at)
				s.last = token{wordToken, "/", s.line}
				return
			}
		}
	}
	s.at++
}
