package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// Limits on a script's text. Parsers recurse, and a goroutine whose stack
// overflows ends the whole process, so that what is nested too deep has to be
// refused before it is parsed.
const (
	maxNesting    = 2000    // brackets within brackets
	maxOpen       = 100_000 // brackets that open and never close, wherever they stand
	maxChain      = 10_000  // operators in one expression
	maxJSONNested = 5000
)

// checkSource refuses a text that is too big or nested too deep to be parsed.
func checkSource(name, source string) error {
	if len(source) > brigade.MaxScriptBytes {
		return brigade.Errorf(brigade.CodeScriptLimit, "%s is %d bytes long, more than the %d that a script may have",
			name, len(source), brigade.MaxScriptBytes).WithHint("move data into a file that a job reads")
	}
	if line, what := scan(source); what != "" {
		return brigade.Errorf(brigade.CodeScriptLoad, "%s:%d: %s", name, line, what).
			WithHint("split the expression into several statements")
	}
	return nil
}

// scanner walks over JavaScript far enough to tell brackets in code from those
// in strings, comments, templates and regular expressions. It may be wrong
// about the last ones; therefore scan counts every bracket there is first.
type scanner struct {
	text  string
	pos   int
	line  int
	stack []byte // open brackets; '`' for a template's ${
	chain []int  // operators since the last separator, per level
	prev  byte   // the last significant character
	word  string
}

// scan returns the line and the complaint about the first thing that is nested
// too deep; "" when there is none.
func scan(text string) (line int, complaint string) {
	if n := strings.Count(text, "(") + strings.Count(text, "[") + strings.Count(text, "{") -
		strings.Count(text, ")") - strings.Count(text, "]") - strings.Count(text, "}"); n > maxOpen {
		return 1, fmt.Sprintf("%d brackets are open at its end", n)
	}
	s := &scanner{text: text, line: 1, chain: []int{0}}
	for s.pos < len(s.text) {
		s.step()
		if len(s.stack) > maxNesting {
			return s.line, fmt.Sprintf("more than %d brackets are nested here", maxNesting)
		}
		if s.chain[len(s.chain)-1] > maxChain {
			return s.line, fmt.Sprintf("an expression here has more than %d operators", maxChain)
		}
	}
	return 0, ""
}

func (s *scanner) step() {
	c := s.text[s.pos]
	switch {
	case c == '\n':
		s.line++
		s.pos++
		s.endOfLine()
	case c == ' ' || c == '\t' || c == '\r':
		s.pos++
	case c == '"' || c == '\'':
		s.quoted(c)
	case c == '`':
		s.pos++
		s.template()
	case strings.HasPrefix(s.text[s.pos:], "//"):
		s.skipTo("\n", 0)
	case strings.HasPrefix(s.text[s.pos:], "/*"):
		s.skipTo("*/", 2)
	case c == '/' && s.regexpMayFollow():
		s.regexp()
	case c == '(' || c == '[' || c == '{':
		s.push(c)
	case c == ')' || c == ']' || c == '}':
		s.pop(c)
	case isWordByte(c):
		s.takeWord()
	default:
		s.operator(c)
	}
}

// endOfLine ends the expression where no semicolon is needed: after an operand
// when the next line begins with a word that is no operator.
func (s *scanner) endOfLine() {
	if s.prev != 'a' && s.prev != ')' && s.prev != ']' && s.prev != '}' {
		return
	}
	rest := strings.TrimLeft(s.text[s.pos:min(len(s.text), s.pos+200)], " \t\r\n")
	if rest != "" && isWordByte(rest[0]) && !strings.HasPrefix(rest, "in") && !strings.HasPrefix(rest, "else") {
		s.chain[len(s.chain)-1] = 0
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (s *scanner) takeWord() {
	from := s.pos
	for s.pos < len(s.text) && isWordByte(s.text[s.pos]) {
		s.pos++
	}
	s.prev, s.word = 'a', s.text[from:s.pos]
	switch s.word {
	case "new", "typeof", "void", "delete", "await", "yield", "in", "instanceof", "of", "else":
		s.chain[len(s.chain)-1]++
	}
}

func (s *scanner) operator(c byte) {
	top := len(s.chain) - 1
	if c == ';' || c == ',' {
		s.chain[top] = 0
	} else {
		s.chain[top]++
	}
	s.prev, s.word = c, ""
	s.pos++
}

func (s *scanner) push(c byte) {
	s.chain[len(s.chain)-1]++ // a(b)(c)(d) is a chain as well
	s.stack, s.chain = append(s.stack, c), append(s.chain, 0)
	s.prev, s.word = c, ""
	s.pos++
}

func (s *scanner) pop(c byte) {
	s.prev, s.word = c, ""
	s.pos++
	if len(s.stack) == 0 {
		return
	}
	top := s.stack[len(s.stack)-1]
	s.stack, s.chain = s.stack[:len(s.stack)-1], s.chain[:len(s.chain)-1]
	if c == '}' && top == '{' {
		s.chain[len(s.chain)-1] = s.afterBlock()
	}
	if c == '}' && top == '`' {
		s.template()
	}
}

// afterBlock is how long the chain is once a block ended: it goes on after
// "else" only, and in what follows an object.
func (s *scanner) afterBlock() int {
	rest := strings.TrimLeft(s.text[s.pos:min(len(s.text), s.pos+40)], " \t\r\n")
	if rest == "" || isWordByte(rest[0]) && !strings.HasPrefix(rest, "else") || rest[0] == '}' {
		return 0
	}
	return s.chain[len(s.chain)-1]
}

func (s *scanner) skipTo(end string, extra int) {
	n := strings.Index(s.text[s.pos:], end)
	if n < 0 {
		n = len(s.text) - s.pos - extra
	}
	s.advance(n + extra)
}

func (s *scanner) advance(n int) {
	to := min(len(s.text), s.pos+max(n, 1))
	s.line += strings.Count(s.text[s.pos:to], "\n")
	s.pos = to
}

// quoted skips a string, which ends at the end of the line at the latest.
func (s *scanner) quoted(quote byte) {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
			if s.pos < len(s.text) && s.text[s.pos] == '\n' {
				s.line++
			}
		case quote:
			s.pos++
			s.prev, s.word = 'a', ""
			return
		case '\n':
			return
		}
	}
}

// template skips the text of a template up to its end or to the next ${.
func (s *scanner) template() {
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case '\n':
			s.line++
		case '`':
			s.pos++
			s.prev, s.word = 'a', ""
			return
		case '$':
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == '{' {
				s.pos++
				s.push('`')
				return
			}
		}
	}
}

// regexpMayFollow guesses whether a slash begins a regular expression.
func (s *scanner) regexpMayFollow() bool {
	switch s.prev {
	case 'a':
		switch s.word {
		case "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "instanceof", "yield", "await":
			return true
		}
		return false
	case ')', ']', '}':
		return false
	}
	return true
}

// regexp skips a regular expression; one that does not end on its line was none.
func (s *scanner) regexp() {
	class := false
	for i := s.pos + 1; i < len(s.text) && s.text[i] != '\n'; i++ {
		switch c := s.text[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			s.pos = i + 1
			s.prev, s.word = 'a', ""
			return
		}
	}
	s.operator('/')
}

// checkJSON refuses text that JSON.parse would recurse too deep for.
func checkJSON(text string) error {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxJSONNested {
				return errors.New("the JSON text is nested too deep")
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}
