package npm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// maxRangeLength is the longest range that is read, in bytes; node-semver
// stops at 256, real manifests stay far below either.
const maxRangeLength = 1024

// Range is a set of versions, read the way node-semver reads it: `||` between
// alternatives, blanks between comparators, ^, ~, hyphens and x-ranges.
type Range struct {
	text string
	sets [][]comparator
}

// comparator is one bound. op is one of = < <= > >=; a nil version matches
// everything that is not a prerelease.
type comparator struct {
	op      string
	version *semver.Version
}

// partial is a version of which parts may be missing or "x".
type partial struct {
	nums  [3]uint64
	known int // how many of nums are given
	pre   string
}

// parseVersion reads a complete version. As npm does, it overlooks blanks and
// a leading "v" or "=", and a prerelease without its hyphen ("1.0.0beta").
func parseVersion(s string) (*semver.Version, bool) {
	s = strings.TrimLeft(strings.TrimSpace(s), "=v \t")
	if len(s) > maxRangeLength {
		return nil, false
	}
	if v, err := semver.StrictNewVersion(s); err == nil {
		return v, true
	}
	p, ok := parsePartial(s)
	if !ok || p.known < 3 {
		return nil, false
	}
	return p.lower(), true
}

// ParseRange reads a range. It fails for text that is not one, a dist-tag
// such as "latest" among others.
func ParseRange(text string) (*Range, error) {
	r := &Range{text: text}
	if len(text) > maxRangeLength {
		return nil, fmt.Errorf("version range is longer than %d bytes", maxRangeLength)
	}
	for part := range strings.SplitSeq(text, "||") {
		set, ok := parseSet(strings.TrimSpace(part))
		if !ok {
			return nil, fmt.Errorf("%q is not a version range", text)
		}
		r.sets = append(r.sets, set)
	}
	return r, nil
}

// String returns the text the range was read from.
func (r *Range) String() string { return r.text }

// Has reports whether v is in the range. A prerelease is only in it when a
// comparator of the same alternative names a prerelease of the same
// major.minor.patch.
func (r *Range) Has(v *semver.Version) bool {
	for _, set := range r.sets {
		if setHas(set, v) {
			return true
		}
	}
	return false
}

func setHas(set []comparator, v *semver.Version) bool {
	for _, c := range set {
		if !c.has(v) {
			return false
		}
	}
	if v.Prerelease() == "" {
		return true
	}
	for _, c := range set {
		if c.version != nil && c.version.Prerelease() != "" &&
			c.version.Major() == v.Major() && c.version.Minor() == v.Minor() && c.version.Patch() == v.Patch() {
			return true
		}
	}
	return false
}

func (c comparator) has(v *semver.Version) bool {
	if c.version == nil {
		return true
	}
	cmp := v.Compare(c.version)
	switch c.op {
	case "<":
		return cmp < 0
	case "<=":
		return cmp <= 0
	case ">":
		return cmp > 0
	case ">=":
		return cmp >= 0
	}
	return cmp == 0
}

// parseSet reads the comparators of one alternative.
func parseSet(s string) ([]comparator, bool) {
	if from, to, ok := cutHyphen(s); ok {
		return hyphen(from, to)
	}
	set := []comparator{}
	fields := strings.Fields(s)
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		// An operator may stand apart from its version: ">= 1.2".
		for strings.Trim(f, "<>=~^v") == "" && i+1 < len(fields) {
			i++
			f += fields[i]
		}
		cs, ok := parseComparator(f)
		if !ok {
			return nil, false
		}
		set = append(set, cs...)
	}
	return set, true
}

// cutHyphen splits "1.2 - 2.3".
func cutHyphen(s string) (from, to string, ok bool) {
	f := strings.Fields(s)
	if len(f) == 3 && f[1] == "-" {
		return f[0], f[2], true
	}
	return "", "", false
}

func hyphen(from, to string) ([]comparator, bool) {
	lo, ok1 := parsePartial(strings.TrimLeft(from, "=v"))
	hi, ok2 := parsePartial(strings.TrimLeft(to, "=v"))
	if !ok1 || !ok2 {
		return nil, false
	}
	set := []comparator{{">=", lo.lower()}}
	switch hi.known {
	case 0:
	case 3:
		set = append(set, comparator{"<=", hi.lower()})
	default:
		set = append(set, comparator{"<", hi.upper(hi.known - 1)})
	}
	return set, true
}

// parseComparator reads one comparator without blanks and spells it out in
// plain bounds.
func parseComparator(s string) ([]comparator, bool) {
	op, rest := cutOperator(s)
	p, ok := parsePartial(rest)
	if !ok || rest == "" { // an operator alone is none
		return nil, false
	}
	switch op {
	case "^":
		return caret(p), true
	case "~":
		return tilde(p), true
	case "":
		if p.known == 3 {
			return []comparator{{"=", p.lower()}}, true
		}
		return tilde(p), true
	}
	if p.known == 3 {
		return []comparator{{op, p.lower()}}, true
	}
	return partialBound(op, p), true
}

func cutOperator(s string) (op, rest string) {
	for _, o := range []string{">=", "<=", "~>", ">", "<", "^", "~"} {
		if r, ok := strings.CutPrefix(s, o); ok {
			op, s = o, r
			break
		}
	}
	if op == "~>" {
		op = "~"
	}
	return op, strings.TrimLeft(s, "=v")
}

// partialBound spells out an operator before an incomplete version.
func partialBound(op string, p partial) []comparator {
	if p.known == 0 {
		if op == "<" || op == ">" {
			return []comparator{{"<", semver.New(0, 0, 0, "0", "")}} // nothing
		}
		return []comparator{{}}
	}
	switch op {
	case ">":
		v := p.upper(p.known - 1)
		return []comparator{{">=", semver.New(v.Major(), v.Minor(), v.Patch(), "", "")}}
	case "<=":
		return []comparator{{"<", p.upper(p.known - 1)}}
	case "<":
		return []comparator{{"<", semver.New(p.nums[0], p.nums[1], p.nums[2], "0", "")}}
	}
	return []comparator{{op, p.lower()}}
}

// caret allows what keeps the leftmost part that is not zero.
func caret(p partial) []comparator {
	if p.known == 0 {
		return []comparator{{}}
	}
	keep := 0
	for keep < p.known-1 && p.nums[keep] == 0 {
		keep++
	}
	return []comparator{{">=", p.lower()}, {"<", p.upper(keep)}}
}

// tilde allows patches, or minors where no minor is given.
func tilde(p partial) []comparator {
	if p.known == 0 {
		return []comparator{{}}
	}
	return []comparator{{">=", p.lower()}, {"<", p.upper(min(p.known, 2) - 1)}}
}

func (p partial) lower() *semver.Version {
	return semver.New(p.nums[0], p.nums[1], p.nums[2], p.pre, "")
}

// upper is the first version, prereleases included, that differs from p in
// the part i or before it.
func (p partial) upper(i int) *semver.Version {
	n := [3]uint64{}
	copy(n[:], p.nums[:i+1])
	n[i]++
	return semver.New(n[0], n[1], n[2], "0", "")
}

// parsePartial reads "", "*", "1", "1.x", "1.2", "1.2.3", "1.2.3-rc.1+meta"
// and the loose "1.2.3rc1".
func parsePartial(s string) (partial, bool) {
	var p partial
	s, meta, hasMeta := strings.Cut(s, "+")
	if hasMeta && !identifiers(meta) {
		return p, false
	}
	for i := range 3 {
		if s == "" {
			return p, true
		}
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(s)
		}
		if end == 0 {
			if !strings.ContainsRune("xX*", rune(s[0])) {
				return p, false
			}
			return p, restOfX(s[1:])
		}
		n, err := strconv.ParseUint(s[:end], 10, 53)
		if err != nil {
			return p, false
		}
		p.nums[i], p.known, s = n, i+1, s[end:]
		if i < 2 {
			next, ok := strings.CutPrefix(s, ".")
			if (ok && next == "") || (!ok && s != "") {
				return p, false
			}
			s = next
		}
	}
	if p.pre = strings.TrimPrefix(s, "-"); p.pre == "" {
		p.pre = s
	}
	if s != "" && !identifiers(p.pre) {
		return p, false
	}
	return p, true
}

// restOfX says whether what follows an x is more of it: ".x", ".x.x".
func restOfX(s string) bool {
	return strings.Trim(s, ".xX*") == "" && !strings.HasSuffix(s, ".")
}

// identifiers reports whether s is dot-separated letters, digits and hyphens.
func identifiers(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, "0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return false
		}
	}
	return true
}
