package npm

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// fetch chooses the release that an edge gets.
func (r *resolver) fetch(ctx context.Context, e *edge, also []spec) (*release, error) {
	switch e.spec.kind {
	case specFile:
		return r.localRelease(ctx, e)
	case specURL:
		return r.urlRelease(ctx, e)
	}
	if rel := r.fromLock(e); rel != nil {
		return rel, nil
	}
	if sp := r.lockedVersion(e); sp != nil {
		if doc, err := r.registry.packument(ctx, sp.name, sp.exact); err == nil {
			if rel, err := doc.pick(*sp, nil); err == nil {
				return rel, nil
			}
		}
	}
	doc, err := r.registry.packument(ctx, e.spec.name, e.spec.exact)
	if err != nil {
		return nil, err
	}
	rel, err := doc.pick(e.spec, also)
	if err != nil {
		return nil, aboutDocument(e.spec.name, err)
	}
	return rel, nil
}

func aboutDocument(name string, err error) error {
	if brigade.CodeOf(err) == brigade.CodeDependency {
		return err
	}
	return brigade.Errorf(brigade.CodeDependency, "package %q: %w", name, err)
}

// lockedVersion is the highest version that an edge accepts out of a lock of
// npm's, which does not say enough of its packages to be taken as it is.
func (r *resolver) lockedVersion(e *edge) *spec {
	var best *spec
	for _, version := range r.versions[e.spec.name] {
		v, ok := parseVersion(version)
		if !ok || e.spec.kind != specRange || !e.spec.rng.Has(v) || (best != nil && !v.GreaterThan(best.exact)) {
			continue
		}
		if sp, err := parseSpec(e.spec.name, version); err == nil && sp.exact != nil {
			best = &sp
		}
	}
	return best
}

// fromLock returns the highest locked release that an edge accepts. A tag of
// the project only accepts what was locked for the same tag.
func (r *resolver) fromLock(e *edge) *release {
	if e.spec.kind > specTag || (e.spec.kind == specTag && e.from.rel == nil && r.lockTags[e.name] != e.text) {
		return nil
	}
	var best *release
	for _, rel := range r.locked[e.spec.name] {
		if !e.spec.accepts(rel.name, rel.version, rel.resolved) {
			continue
		}
		if best == nil {
			best = rel
			continue
		}
		a, ok1 := parseVersion(rel.version)
		b, ok2 := parseVersion(best.version)
		if ok1 && ok2 && a.GreaterThan(b) {
			best = rel
		}
	}
	return best
}

// prefer takes over the releases of an earlier lock.
func (r *resolver) prefer(lock *Lock) {
	r.locked, r.versions = map[string][]*release{}, map[string][]string{}
	if lock == nil {
		return
	}
	r.lockTags = lock.Dependencies
	for i := range lock.Packages {
		p := &lock.Packages[i]
		if p.Bundled || strings.HasPrefix(p.Resolved, "file:") {
			continue
		}
		if p.Integrity == "" || p.Resolved == "" || lock.foreign {
			r.versions[p.Name] = append(r.versions[p.Name], p.Version)
			continue
		}
		r.locked[p.Name] = append(r.locked[p.Name], p.release())
	}
}

func (r *resolver) localRelease(ctx context.Context, e *edge) (*release, error) {
	if rel, ok := r.local[e.spec.text]; ok {
		return rel, nil
	}
	m, err := r.project.local(ctx, e.spec.text, r.limits)
	if err != nil {
		return nil, err
	}
	rel := &release{manifest: m, name: m.Name, version: m.Version, resolved: "file:" + e.spec.text, dir: e.spec.text}
	if !validName(rel.name) {
		rel.name = e.name
	}
	r.local[e.spec.text] = rel
	return rel, nil
}

// urlRelease downloads a tarball to learn what it is.
func (r *resolver) urlRelease(ctx context.Context, e *edge) (*release, error) {
	if rel, ok := r.remote[e.spec.text]; ok {
		return rel, nil
	}
	u, err := r.registry.tarballURL(e.name, e.spec.text)
	if err != nil {
		return nil, err
	}
	var want []digest
	for _, list := range r.locked {
		for _, rel := range list {
			if rel.resolved == e.spec.text {
				want, _ = parseIntegrity(rel.integrity)
			}
		}
	}
	key, err := r.registry.tarball(ctx, e.name, u, want)
	if err != nil {
		return nil, err
	}
	integrity, err := keyIntegrity(key)
	if err != nil {
		return nil, err
	}
	text, err := readCapped(filepath.Join(r.registry.store.files(key), "package.json"), maxManifest)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "the tarball of %q holds no package.json", e.name)
	}
	m, err := ParseManifest("package.json of "+e.name, text)
	if err != nil {
		return nil, err
	}
	rel := &release{manifest: m, name: m.Name, version: m.Version, resolved: e.spec.text, integrity: integrity}
	if !validName(rel.name) {
		rel.name = e.name
	}
	r.remote[e.spec.text] = rel
	return rel, nil
}

// failures decides what the edges without a target mean: the end for
// everything, or only for the optional package they belong to, which then
// is left out with all that only it needs.
func (r *resolver) failures() error {
	failed := map[*node]*edge{}
	for again := true; again; {
		again = false
		r.root.each(func(n *node) {
			if failed[n] != nil {
				return
			}
			for _, e := range n.edges {
				broken := e.err != nil || (e.to != nil && failed[e.to] != nil)
				if broken && e.kind != edgeOptional && e.kind != edgePeerOptional {
					failed[n], again = e, true
					return
				}
			}
		})
	}
	if e := failed[r.root]; e != nil {
		for e.err == nil && failed[e.to] != nil {
			e = failed[e.to]
		}
		return r.because(e, e.err)
	}
	for n, e := range failed {
		r.warn("optional package %s is left out, it needs %s", n.name, e.name)
	}
	r.root.each(func(n *node) {
		for _, e := range n.edges {
			if e.to != nil && failed[e.to] != nil {
				e.to = nil
			}
		}
	})
	return nil
}

func (n *node) each(f func(*node)) {
	f(n)
	for _, name := range sortedKeys(n.children) {
		n.children[name].each(f)
	}
}

// lock writes down what is reached from the project.
func (r *resolver) lock(list []wish, overrides json.RawMessage) *Lock {
	l := &Lock{Version: lockVersion, Overrides: canonical(overrides), Packages: []Package{}}
	l.recordWishes(list)
	used := map[*node]bool{r.root: true}
	queue := []*node{r.root}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, e := range n.edges {
			if e.to != nil && !used[e.to] {
				used[e.to] = true
				queue = append(queue, e.to)
			}
		}
		if n != r.root {
			l.Packages = append(l.Packages, n.locked())
		}
	}
	l.sort()
	return l
}

// locked is a node as an entry of a lock, with the dependencies that count:
// overridden, without what is built in.
func (n *node) locked() Package {
	p := Package{
		Path: n.path(), Name: n.rel.name, Version: n.rel.version, Resolved: n.rel.resolved, Integrity: n.rel.integrity,
		Bundles: slices.Clone(n.rel.manifest.Bundled), platformLists: n.rel.manifest.platform, Deprecated: n.rel.deprecated,
	}
	slices.Sort(p.Bundles)
	put := func(m *map[string]string, e *edge) {
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[e.name] = e.text
	}
	for _, e := range n.edges {
		switch e.kind {
		case edgePlain:
			put(&p.Dependencies, e)
		case edgeOptional:
			put(&p.Optional, e)
		case edgePeerOptional:
			p.PeerOptional = append(p.PeerOptional, e.name)
			put(&p.Peer, e)
		case edgePeer:
			put(&p.Peer, e)
		}
	}
	return p
}

func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	if above := n.parent.path(); above != "" {
		return above + "/node_modules/" + n.name
	}
	return "node_modules/" + n.name
}
