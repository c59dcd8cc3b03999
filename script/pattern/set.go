package pattern

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// span is a range of code points, both ends included.
type span struct{ lo, hi rune }

// set is a set of code points: spans in order that neither overlap nor touch.
type set []span

// all are all code points.
var all = set{{0, unicode.MaxRune}}

// newSet makes a set of spans in any order.
func newSet(spans ...span) set {
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo - b.lo) })
	var out set
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// ofTable makes a set of a table of the standard library.
func ofTable(tables ...*unicode.RangeTable) set {
	var spans []span
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			spans = append(spans, span{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			spans = append(spans, span{r, r})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return newSet(spans...)
}

func (s set) union(others ...set) set {
	spans := slices.Clone(s)
	for _, o := range others {
		spans = append(spans, o...)
	}
	return newSet(spans...)
}

// not is what is not in the set.
func (s set) not() set {
	var out set
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, span{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

func (s set) minus(other set) set { return s.not().union(other).not() }

func (s set) and(other set) set { return s.not().union(other.not()).not() }

// inside writes the set as what stands between the brackets of a class.
func (s set) inside() string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u{%X}`, r.lo)
		if r.hi > r.lo {
			fmt.Fprintf(&b, `-\u{%X}`, r.hi)
		}
	}
	return b.String()
}

// class writes the set as a class.
func (s set) class() string {
	if len(s) == 0 {
		return `[^` + all.inside() + `]`
	}
	return "[" + s.inside() + "]"
}
