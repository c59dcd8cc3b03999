// Package lazyregexp compiles regular expressions when they are first used: a
// program of many packages has a hundred of them, and uses two or three at a
// time. Compiled at the start, they were a third of what it allocates there.
package lazyregexp

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression for package variables. It is safe for
// concurrent use.
type Regexp struct{ compiled func() *regexp.Regexp }

// New returns the expression. A text that is none panics when it is first used:
// it is a constant, and any test of who uses it finds that.
func New(text string) *Regexp {
	return &Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// Get is the compiled expression.
func (r *Regexp) Get() *regexp.Regexp { return r.compiled() }

// MatchString is that of package regexp, as all that follow.
func (r *Regexp) MatchString(s string) bool { return r.Get().MatchString(s) }

// FindStringSubmatch returns the first match and its groups.
func (r *Regexp) FindStringSubmatch(s string) []string { return r.Get().FindStringSubmatch(s) }

// ReplaceAllString replaces matches.
func (r *Regexp) ReplaceAllString(s, by string) string { return r.Get().ReplaceAllString(s, by) }

// ReplaceAllStringFunc replaces matches by what f makes of them.
func (r *Regexp) ReplaceAllStringFunc(s string, f func(string) string) string {
	return r.Get().ReplaceAllStringFunc(s, f)
}

// FindString returns the first match.
func (r *Regexp) FindString(s string) string { return r.Get().FindString(s) }

// FindStringIndex returns where the first match begins and ends.
func (r *Regexp) FindStringIndex(s string) []int { return r.Get().FindStringIndex(s) }

// FindAllStringSubmatch returns up to n matches with their groups; -1 is all.
func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.Get().FindAllStringSubmatch(s, n)
}
