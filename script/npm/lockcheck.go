package npm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// wish is one dependency of the project.
type wish struct {
	name     string
	text     string // as written
	spec     spec
	optional bool
}

// wishes reads what a manifest asks for, sorted by name, without the packages
// that are built in.
func wishes(m *Manifest, dev bool, builtIn func(string) bool) ([]wish, error) {
	var out []wish
	add := func(deps map[string]string, optional bool) error {
		for _, name := range sortedKeys(deps) {
			if builtIn(name) || slices.ContainsFunc(out, func(w wish) bool { return w.name == name }) {
				continue
			}
			sp, err := parseSpec(name, deps[name])
			if err != nil {
				return err
			}
			if sp.kind == specFile && (!localPath(sp.text) || sp.text == ".") {
				return outsideProject(sp)
			}
			if builtIn(sp.name) {
				continue
			}
			out = append(out, wish{name, deps[name], sp, optional})
		}
		return nil
	}
	if err := add(m.Dependencies, false); err != nil {
		return nil, err
	}
	if err := add(m.Optional, true); err != nil {
		return nil, err
	}
	if dev {
		if err := add(m.Dev, false); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b wish) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return out, nil
}

// checker compares a lock with what a project asks for.
type checker struct {
	lock    *Lock
	index   map[string]*Package
	wishes  []wish
	builtIn func(string) bool
	// platform, when set, leaves out optional packages made for other systems.
	platform *Platform
	// overridden are names whose range in a lock of npm's does not count.
	overridden map[string]bool

	used     map[string]bool
	required map[string]bool // used by others than optional dependencies alone
	queue    []visit
	problems []string
}

type visit struct {
	path     string
	required bool
}

// run walks from the project over all dependencies and collects in used what
// is reached and in problems what is missing or does not fit.
func (c *checker) run() {
	c.index = c.lock.index()
	c.used, c.required = map[string]bool{}, map[string]bool{}
	for _, w := range c.wishes {
		c.wish(w)
	}
	for len(c.queue) > 0 {
		v := c.queue[0]
		c.queue = c.queue[1:]
		c.visit(v)
	}
}

func (c *checker) wish(w wish) {
	recorded, known := c.lock.Dependencies[w.name]
	if w.optional {
		recorded, known = c.lock.Optional[w.name]
	}
	p := lookup(c.index, "", w.name)
	switch {
	case p == nil && w.optional && known && recorded == w.text:
	case p == nil:
		c.problem("%s is not in it", w.name)
	case !w.spec.accepts(p.Name, p.Version, p.Resolved):
		c.problem("%s is locked to %s, but %q is asked for", w.name, p.Version, clip(w.text))
	case w.spec.kind == specTag && c.lock.Dependencies != nil && recorded != w.text:
		c.problem("%s was locked for %q, but %q is asked for", w.name, clip(recorded), clip(w.text))
	default:
		c.reach(p, w.optional, !w.optional)
	}
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// reach notes that a package is used. byOption tells that the dependency may
// be left out.
func (c *checker) reach(p *Package, byOption, required bool) {
	if byOption && c.platform != nil && !c.platform.runs(p.platformLists) {
		return
	}
	if c.used[p.Path] && (c.required[p.Path] || !required) {
		return
	}
	c.used[p.Path] = true
	c.required[p.Path] = c.required[p.Path] || required
	c.queue = append(c.queue, visit{p.Path, required})
}

func (c *checker) visit(v visit) {
	p := c.index[v.path]
	for _, name := range sortedKeys(p.Dependencies) {
		c.edge(p, name, p.Dependencies[name], false, v.required)
	}
	for _, name := range sortedKeys(p.Optional) {
		c.edge(p, name, p.Optional[name], true, false)
	}
	for _, name := range sortedKeys(p.Peer) {
		// A peer that is missing or does not fit was warned of when the lock
		// was made.
		if q := lookup(c.index, parentPath(p.Path), name); q != nil {
			optional := slices.Contains(p.PeerOptional, name)
			c.reach(q, optional, v.required && !optional)
		}
	}
}

func (c *checker) edge(p *Package, name, text string, optional, required bool) {
	if c.builtIn(name) {
		return
	}
	q := lookup(c.index, p.Path, name)
	if q == nil {
		if !optional && !slices.Contains(p.Bundles, name) && !p.Bundled {
			c.problem("%s, which %s needs, is not in it", name, p.Name)
		}
		return
	}
	sp, err := parseSpec(name, text)
	fits := err == nil && sp.accepts(q.Name, q.Version, q.Resolved)
	if !fits && !optional && !c.overridden[name] && !q.Bundled && !slices.Contains(p.Bundles, name) {
		if err != nil || !c.builtIn(sp.name) {
			c.problem("%s is locked to %s, but %s needs %q", name, q.Version, p.Name, clip(text))
		}
	}
	c.reach(q, optional, required)
}

// overrideNames lists the last names of overrides, to be lenient about them
// in a lock of npm's, which keeps the ranges as they were.
func overrideNames(raw json.RawMessage) map[string]bool {
	rules, err := parseOverrides(raw, nil)
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, r := range rules {
		out[r.target().name] = true
	}
	return out
}

// sameJSON compares two JSON texts without regard to blanks and order.
func sameJSON(a, b json.RawMessage) bool {
	return bytes.Equal(canonical(a), canonical(b))
}

func canonical(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

// fits reports whether a lock satisfies the wishes. When it does, the result
// holds only what is reached; else why says what does not fit.
func fits(lock *Lock, list []wish, overrides json.RawMessage, builtIn func(string) bool) (pruned *Lock, why []string) {
	c := &checker{lock: lock, wishes: list, builtIn: builtIn}
	if lock.foreign {
		c.overridden = overrideNames(overrides)
	} else if !sameJSON(lock.Overrides, overrides) {
		return nil, []string{"the overrides have changed"}
	}
	c.run()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	out := &Lock{Version: lockVersion, Overrides: canonical(overrides), foreign: lock.foreign}
	out.recordWishes(list)
	for _, p := range lock.Packages {
		if c.used[p.Path] {
			out.Packages = append(out.Packages, p)
		}
	}
	return out, nil
}

// recordWishes notes what the lock was made for.
func (l *Lock) recordWishes(list []wish) {
	l.Dependencies, l.Optional = map[string]string{}, nil
	for _, w := range list {
		if !w.optional {
			l.Dependencies[w.name] = w.text
			continue
		}
		if l.Optional == nil {
			l.Optional = map[string]string{}
		}
		l.Optional[w.name] = w.text
	}
}
