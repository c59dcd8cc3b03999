package pattern

import (
	"strconv"
	"strings"
)

// rest captures all that follows, so that its length says where it begins.
const rest = `(?=([\s\S]*))`

// indexer finds the groups of an expression, and writes what is needed to find
// out where they matched: after each capturing group stands another one, which
// captures the rest of the text.
type indexer struct {
	text    string
	lowered *Lowered
}

// parts calls f with every part of the source: "(" begins a capturing group,
// "(?" another one, ")" ends one, and the rest is text. name is that of a
// capturing group.
func (i *indexer) parts(f func(kind, text, name string)) {
	class := false
	for at := 0; at < len(i.text); {
		n, kind, name := 1, "", ""
		switch c := i.text[at]; {
		case c == '\\' && at+1 < len(i.text):
			n = 2
			for !class && i.text[at+1] >= '1' && i.text[at+1] <= '9' && at+n < len(i.text) && i.text[at+n] >= '0' && i.text[at+n] <= '9' {
				n++
			}
			if !class && i.text[at+1] >= '1' && i.text[at+1] <= '9' {
				kind = "\\"
			}
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == ')':
			kind = ")"
		case c == '(':
			kind = "("
			after := i.text[at+1:]
			if strings.HasPrefix(after, "?") && (!strings.HasPrefix(after, "?<") || strings.HasPrefix(after, "?<=") || strings.HasPrefix(after, "?<!")) {
				kind = "(?"
			} else if named, is := strings.CutPrefix(after, "?<"); is {
				name, _, _ = strings.Cut(named, ">")
			}
		}
		f(kind, i.text[at:at+n], name)
		at += n
	}
}

// number finds the names of the groups, and their numbers among those that are
// added.
func (i *indexer) number() {
	var open []int // the groups that are open, 0 for others
	last := 0
	i.parts(func(kind, _, name string) {
		switch kind {
		case "(":
			last++
			i.lowered.Groups, i.lowered.Rests = append(i.lowered.Groups, last), append(i.lowered.Rests, 0)
			i.lowered.Names = append(i.lowered.Names, name)
			open = append(open, len(i.lowered.Groups))
		case "(?":
			open = append(open, 0)
		case ")":
			if n := len(open) - 1; n >= 0 {
				if open[n] > 0 {
					last++
					i.lowered.Rests[open[n]-1] = last
				}
				open = open[:n]
			}
		}
	})
}

// write writes the expression with the groups that are added.
func (i *indexer) write() {
	var b strings.Builder
	var open []bool
	i.parts(func(kind, text, _ string) {
		switch kind {
		case "(":
			open = append(open, true)
			b.WriteString("(?:(")
		case "(?":
			open = append(open, false)
			b.WriteString("(")
		case ")":
			b.WriteString(")")
			if n := len(open) - 1; n >= 0 {
				if open[n] {
					b.WriteString(rest + ")")
				}
				open = open[:n]
			}
		case "\\":
			b.WriteString(i.reference(text))
		default:
			b.WriteString(text)
		}
	})
	l := i.lowered
	l.Indexed = b.String()
}

// reference rewrites a reference to a group by its number.
func (i *indexer) reference(text string) string {
	n, err := strconv.Atoi(text[1:])
	if err != nil || n > len(i.lowered.Groups) {
		return text
	}
	return `(?:\` + strconv.Itoa(i.lowered.Groups[n-1]) + ")"
}
