package pattern

import (
	"regexp/syntax"
	"strings"
	"testing"
	"unicode"
)

// TestLower has what regexp.js of the modules, which compares with Node, does
// not: the texts themselves.
func TestLower(t *testing.T) {
	for _, c := range []struct{ source, flags, want, wantFlags, indexed string }{
		{`a[b-d]`, "gu", `a[b-d]`, "gu", ""},
		{`\p{ASCII}`, "u", `[\u{0}-\u{7F}]`, "u", ""},
		{`[^\p{AHex}x]`, "u", `[^\u{30}-\u{39}\u{41}-\u{46}\u{61}-\u{66}x]`, "u", ""},
		{`\\p{ASCII}[\]\p{ASCII}]`, "u", `\\p{ASCII}[\]\u{0}-\u{7F}]`, "u", ""},
		{`[[a-f]--[bd]]`, "v", `[\u{61}\u{63}\u{65}-\u{66}]`, "u", ""},
		{`[\q{ab|c}]`, "v", `(?:\u{61}\u{62}|[\u{63}])`, "u", ""},
		{`[a-c]`, "dy", `[a-c]`, "y", `[a-c]`},
		{`(a)\1`, "d", `(a)\1`, "", `(?:(a)(?=([\s\S]*)))(?:\1)`},
		{`((a)[(])(?:\2)`, "d", `((a)[(])(?:\2)`, "", `(?:((?:(a)(?=([\s\S]*)))[(])(?=([\s\S]*)))(?:(?:\2))`},
	} {
		low, err := Lower(c.source, c.flags)
		if err != nil || low.Source != c.want || low.Flags != c.wantFlags || low.Indexed != c.indexed {
			t.Errorf("/%s/%s: got %+v, %v", c.source, c.flags, low, err)
		}
	}
}

// TestPropertiesAreWhatTheyAre compares sets with the tables they came from.
func TestPropertiesAreWhatTheyAre(t *testing.T) {
	for name, table := range map[string]*unicode.RangeTable{"L": unicode.L, "Nd": unicode.Nd, "Script=Greek": unicode.Greek, "White_Space": unicode.White_Space} {
		s, err := property(name)
		if err != nil {
			t.Fatal(err)
		}
		inside := func(r rune) bool {
			for _, span := range s {
				if span.lo <= r && r <= span.hi {
					return true
				}
			}
			return false
		}
		for r := rune(0); r <= 0x1ffff; r++ {
			if inside(r) != unicode.Is(table, r) {
				t.Fatalf("%s: %U is wrong", name, r)
			}
		}
	}
	for _, text := range []string{"", "=", "L=", "gc=", "Greek", "sc=greek", "lu", "L ", "Foo"} {
		if s, err := property(text); err == nil {
			t.Errorf("%q: got %d spans", text, len(s))
		}
	}
}

// FuzzLower looks for panics, and for results that are no regular expressions.
func FuzzLower(f *testing.F) {
	for _, s := range []string{`\p{L}`, `\p`, `\p{`, `[`, `[^`, `[[a]--`, `[\q{a|b`, `[\u{`, `[\u{}]`, `[\ud800\u`, `[a-`, `(((`, `)`, `\`, `[\c`, `[\x1`, strings.Repeat("[", 500), `(?<a`, `\9`, `(\99)`} {
		f.Add(s, "dv")
		f.Add(s, "u")
	}
	f.Fuzz(func(t *testing.T, source, flags string) {
		low, err := Lower(source, flags)
		if err != nil {
			return
		}
		if _, err := syntax.Parse(source, syntax.Perl); err == nil && low.Source == "" && source != "" {
			t.Errorf("/%s/%s became nothing", source, flags)
		}
	})
}
