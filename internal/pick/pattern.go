// Package pick finds the files that the patterns of a job's artifacts name, in
// a directory or in an archive of one.
//
// A pattern is a path relative to the job's mountPath. In each part of it *, ?
// and […] mean what they mean in path.Match; a part ** stands for any number of
// directories, or none. What a pattern names is kept, and when that is a
// directory, all that is in it. Names that begin with a dot are names as all
// others. A link to a file below mountPath is kept as that file; links that
// lead elsewhere, or to directories, are not followed.
package pick

import (
	"path"
	"slices"
	"strings"
)

// Set is what is to be picked.
type Set struct {
	patterns []pattern
	problems []string // patterns that name nothing
}

type pattern struct {
	text  string
	parts []string
}

// Compile reads patterns. An absolute one has to lead below mountPath. Those
// that cannot name anything are reported as problems later.
func Compile(patterns []string, mountPath string) Set {
	var s Set
	mount := path.Clean(mountPath)
	for _, text := range patterns {
		clean := path.Clean(text)
		if path.IsAbs(clean) {
			rel, below := strings.CutPrefix(clean, strings.TrimSuffix(mount, "/")+"/")
			if clean == mount {
				rel, below = ".", true
			}
			if !below {
				s.problems = append(s.problems, text+" is not below "+mountPath)
				continue
			}
			clean = rel
		}
		p := pattern{text: text, parts: strings.Split(clean, "/")}
		switch {
		case strings.TrimSpace(text) == "":
			continue
		case clean == ".":
			p.parts = []string{"**"}
		case p.parts[0] == "..":
			s.problems = append(s.problems, text+" leads out of "+mountPath)
			continue
		case slices.ContainsFunc(p.parts, bad):
			s.problems = append(s.problems, text+" is not a pattern: a bracket is not closed, or a backslash is at its end")
			continue
		}
		s.patterns = append(s.patterns, p)
	}
	return s
}

func bad(part string) bool {
	_, err := path.Match(part, "")
	return err != nil
}

// Match reports whether the file of that name, relative to mountPath, is picked.
func (s Set) Match(name string) bool {
	m := s.start()
	for part := range strings.SplitSeq(name, "/") {
		m = m.enter(part)
	}
	return m.any()
}

// Bases returns the paths below which everything is that the set picks, none of
// them below another. "." is mountPath itself.
func (s Set) Bases() []string {
	var bases []string
	for _, p := range s.patterns {
		n := 0
		for n < len(p.parts) && !strings.ContainsAny(p.parts[n], `*?[\`) {
			n++
		}
		bases = append(bases, path.Join(".", path.Join(p.parts[:n]...)))
	}
	slices.Sort(bases)
	bases = slices.Compact(bases)
	return slices.DeleteFunc(slices.Clone(bases), func(b string) bool {
		return slices.ContainsFunc(bases, func(other string) bool {
			return b != other && (other == "." || strings.HasPrefix(b, other+"/"))
		})
	})
}

// matches says for each pattern which of its parts a path may go on with; the
// number of parts, that the path or one above it is named.
type matches struct {
	set   Set
	parts [][]bool
}

func (s Set) start() matches {
	m := matches{set: s, parts: make([][]bool, len(s.patterns))}
	for i, p := range s.patterns {
		m.parts[i] = make([]bool, len(p.parts)+1)
		p.reach(m.parts[i], 0)
	}
	return m
}

// reach notes that a path may go on with part n.
func (p pattern) reach(at []bool, n int) {
	at[n] = true
	if n < len(p.parts) && p.parts[n] == "**" {
		p.reach(at, n+1)
	}
}

// enter returns what holds one name further down.
func (m matches) enter(name string) matches {
	next := matches{set: m.set, parts: make([][]bool, len(m.parts))}
	for i, p := range m.set.patterns {
		at := make([]bool, len(p.parts)+1)
		for n, may := range m.parts[i] {
			switch {
			case !may:
			case n == len(p.parts), p.parts[n] == "**":
				p.reach(at, n)
			default:
				if ok, err := path.Match(p.parts[n], name); ok && err == nil {
					p.reach(at, n+1)
				}
			}
		}
		next.parts[i] = at
	}
	return next
}

// any reports whether a pattern names the path.
func (m matches) any() bool {
	for i := range m.parts {
		if m.named(i) {
			return true
		}
	}
	return false
}

// named reports whether pattern i names the path.
func (m matches) named(i int) bool { return m.parts[i][len(m.parts[i])-1] }

// hopeless reports whether nothing below can be named.
func (m matches) hopeless() bool {
	return !slices.ContainsFunc(m.parts, func(at []bool) bool { return slices.Contains(at, true) })
}
