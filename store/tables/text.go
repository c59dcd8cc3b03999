package tables

import (
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// What BuildFilter.Text looks at is in fields, each followed by FieldEnd. None
// of Separators is in a field, so stores may use the others as they like.
const (
	FieldEnd   = "\x1f"
	Separators = FieldEnd + "\x1e\n\x00"
)

var withoutSeparators = strings.NewReplacer(FieldEnd, " ", "\x1e", " ", "\n", " ", "\x00", " ")

// Searched is what BuildFilter.Text looks at, in lower case, the ID first.
func Searched(b *brigade.Build) []byte {
	e := &b.Event
	var text strings.Builder
	for _, f := range []string{b.ID, b.Project, e.Type, e.Provider, e.ShortTitle, e.LongTitle, e.Revision.Ref, e.Revision.Commit} {
		text.WriteString(withoutSeparators.Replace(strings.ToLower(f)) + FieldEnd)
	}
	return []byte(text.String())
}

// SearchText is what to look for in Searched to find a BuildFilter's Text; it
// reports whether that can be in any.
func SearchText(text string) (string, bool) {
	text = strings.ReplaceAll(strings.ToLower(text), "\n", " ")
	return text, !strings.ContainsAny(text, Separators)
}
