// Package pattern rewrites regular expressions of today's JavaScript as ones of
// ES2018 without property escapes, which is what the engine understands:
// \p{…} and \P{…}, the sets of the flag v, and the positions of groups of the
// flag d. It also names the groups of those with the flag u, because the engine
// forgets the names where the text is not ASCII.
package pattern

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Lowered is a regular expression that the engine understands.
type Lowered struct {
	// Source and Flags match what the original does.
	Source, Flags string
	// Indexed is empty without the flag d. Else it is Source with more
	// groups: the capturing group n is number Groups[n-1] in it, and number
	// Rests[n-1] captures the text from its end on.
	Indexed string
	Groups  []int
	Rests   []int
	Names   []string // of the groups; "" for those without one
}

// Needed reports whether the engine does not understand a regular expression.
func Needed(source, flags string) bool {
	if strings.ContainsAny(flags, "dv") {
		return true
	}
	return strings.Contains(flags, "u") && strange.MatchString(source)
}

// strange matches a property escape and the beginning of a group with a name.
var strange = lazyregexp.New(`\\[pP]|\(\?<[^=!]`)

// Lower rewrites a regular expression. The error says what is wrong with it, in
// the words of JavaScript.
func Lower(source, flags string) (*Lowered, error) {
	for i, f := range flags {
		if !strings.ContainsRune("dgimsuvy", f) || strings.ContainsRune(flags[:i], f) {
			return nil, mistake("Invalid flags supplied to RegExp constructor '" + flags + "'")
		}
	}
	sets := strings.Contains(flags, "v")
	if sets && strings.Contains(flags, "u") {
		return nil, mistake("Invalid flags supplied to RegExp constructor '" + flags + "'")
	}
	l := &Lowered{Source: source, Flags: strings.NewReplacer("d", "", "v", "u").Replace(flags)}
	if strings.Contains(l.Flags, "u") {
		text, err := (&rewriter{text: source, sets: sets}).rewrite()
		if err != nil {
			return nil, mistake(fmt.Sprintf("Invalid regular expression: /%s/%s: %v", source, flags, err))
		}
		l.Source = text
	}
	i := &indexer{text: l.Source, lowered: l}
	i.number()
	if strings.Contains(flags, "d") {
		i.write()
	}
	return l, nil
}

// rewriter goes over the source of a regular expression with the flag u or v.
type rewriter struct {
	text string
	sets bool // it has the flag v
	pos  int
	deep int
	out  strings.Builder
}

// mistake is what is wrong with a regular expression, in the words of JavaScript.
type mistake string

// Error returns it.
func (m mistake) Error() string { return string(m) }

const (
	errClassEnd = mistake("Unterminated character class")
	errSet      = mistake("Invalid set operation in character class")
	errProperty = mistake("Invalid property name")
	errEscape   = mistake("Invalid escape")
)

func (r *rewriter) rewrite() (string, error) {
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; {
		case c == '[':
			if err := r.bracket(); err != nil {
				return "", err
			}
		case c == '\\' && r.pos+1 < len(r.text) && (r.text[r.pos+1] == 'p' || r.text[r.pos+1] == 'P'):
			s, err := r.propertyEscape()
			if err != nil {
				return "", err
			}
			r.out.WriteString(s.class())
		case c == '\\' && r.pos+1 < len(r.text):
			r.out.WriteString(r.text[r.pos : r.pos+2])
			r.pos += 2
		default:
			r.out.WriteByte(c)
			r.pos++
		}
	}
	return r.out.String(), nil
}

// propertyEscape reads \p{…} or \P{…}.
func (r *rewriter) propertyEscape() (set, error) {
	negated := r.text[r.pos+1] == 'P'
	rest := r.text[r.pos+2:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 0 {
		return nil, errProperty
	}
	s, err := property(rest[1:end])
	if err != nil {
		return nil, err
	}
	r.pos += 2 + end + 1
	if negated {
		return s.not(), nil
	}
	return s, nil
}

// bracket rewrites a class.
func (r *rewriter) bracket() error {
	if r.sets {
		c, err := r.class()
		if err != nil {
			return err
		}
		r.out.WriteString(c.String())
		return nil
	}
	r.out.WriteByte('[')
	for r.pos++; r.pos < len(r.text); {
		switch c := r.text[r.pos]; {
		case c == ']':
			r.out.WriteByte(']')
			r.pos++
			return nil
		case c == '\\' && r.pos+1 < len(r.text) && (r.text[r.pos+1] == 'p' || r.text[r.pos+1] == 'P'):
			s, err := r.propertyEscape()
			if err != nil {
				return err
			}
			r.out.WriteString(s.inside())
		case c == '\\' && r.pos+1 < len(r.text):
			r.out.WriteString(r.text[r.pos : r.pos+2])
			r.pos += 2
		default:
			r.out.WriteByte(c)
			r.pos++
		}
	}
	return errClassEnd
}

// contents is what a class of the flag v matches: characters and strings.
type contents struct {
	chars   set
	strings []string
}

// String writes it as a part of a regular expression with the flag u.
func (c contents) String() string {
	if len(c.strings) == 0 {
		return c.chars.class()
	}
	long := slices.Clone(c.strings)
	slices.SortStableFunc(long, func(a, b string) int { return utf8.RuneCountInString(b) - utf8.RuneCountInString(a) })
	parts := make([]string, 0, len(long)+1)
	placed := false
	for _, s := range long {
		if s == "" && !placed {
			parts, placed = append(parts, c.chars.class()), true
		}
		parts = append(parts, escaped(s))
	}
	if !placed && len(c.chars) > 0 {
		parts = append(parts, c.chars.class())
	}
	return "(?:" + strings.Join(parts, "|") + ")"
}

func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u{%X}`, r)
	}
	return b.String()
}
