package npm

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// node is a package at its place in the tree; the project is the root, with
// neither rel nor parent.
type node struct {
	name     string // of its folder
	rel      *release
	parent   *node // the package whose node_modules it lies in
	from     *node // the package it was first fetched for
	children map[string]*node
	edges    []*edge
	required bool // a failure below it fails everything
	depth    int
	where    string // its path, as ordered
}

type edgeKind int

const (
	edgePlain edgeKind = iota
	edgeOptional
	edgePeer
	edgePeerOptional
)

// edge is a dependency of a node. to is what satisfies it, nil for none.
type edge struct {
	from *node
	name string
	text string
	spec spec
	kind edgeKind
	to   *node
	err  error
}

// start is where Node begins to look for the dependency.
func (e *edge) start() *node {
	if e.kind >= edgePeer && e.from.parent != nil {
		return e.from.parent
	}
	return e.from
}

func (n *node) lookup(name string) *node {
	for ; n != nil; n = n.parent {
		if c, ok := n.children[name]; ok {
			return c
		}
	}
	return nil
}

// satisfied reports whether n is what e asks for.
func (e *edge) satisfied(n *node) bool {
	return n != nil && e.spec.accepts(n.rel.name, n.rel.version, n.rel.resolved)
}

// resolver turns wishes into a tree: from the top down, each package as high
// up as it conflicts with nothing.
type resolver struct {
	registry  *registry
	project   *project
	builtIn   func(string) bool
	rules     []overrideRule
	overrides json.RawMessage
	locked    map[string][]*release // by real name; preferred when they fit
	versions  map[string][]string   // likewise, of which only the version is known
	lockTags  map[string]string     // what the lock's project asked for
	limits    Limits
	warn      func(format string, args ...any)
	progress  func(found int)
	root      *node
	count     int
	local     map[string]*release // file: packages by path
	remote    map[string]*release // URL packages by address
}

// resolve makes the tree and returns it as a lock.
func (r *resolver) resolve(ctx context.Context, list []wish) (*Lock, error) {
	r.root = &node{children: map[string]*node{}, required: true}
	r.local, r.remote = map[string]*release{}, map[string]*release{}
	for _, w := range list {
		kind := edgePlain
		if w.optional {
			kind = edgeOptional
		}
		r.root.edges = append(r.root.edges, &edge{from: r.root, name: w.name, text: w.text, spec: w.spec, kind: kind})
	}
	r.prefetch(ctx, r.root)
	queue := &nodeQueue{r.root}
	for queue.Len() > 0 {
		placed, err := r.node(ctx, heap.Pop(queue).(*node))
		if err != nil {
			return nil, err
		}
		for _, n := range placed {
			heap.Push(queue, n)
		}
	}
	if err := r.failures(); err != nil {
		return nil, err
	}
	return r.lock(list, r.overrides), nil
}

// nodeQueue gives the node that lies highest in the tree, by name among equal
// ones. npm goes in the same order, which is why its trees and ours agree.
type nodeQueue []*node

// Len, Less, Swap, Push and Pop are for container/heap.
func (q nodeQueue) Len() int      { return len(q) }
func (q nodeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q nodeQueue) Less(i, j int) bool {
	if q[i].depth != q[j].depth {
		return q[i].depth < q[j].depth
	}
	return q[i].where < q[j].where
}

// Push adds a node.
func (q *nodeQueue) Push(x any) { *q = append(*q, x.(*node)) }

// Pop removes the last node.
func (q *nodeQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// node settles the dependencies of n, then the peers of what was placed for
// them, and returns the new nodes.
func (r *resolver) node(ctx context.Context, n *node) ([]*node, error) {
	var placed []*node
	var peers []*edge
	settle := func(e *edge, also []spec) error {
		added, err := r.settle(ctx, e, also)
		if err != nil {
			return err
		}
		if added != nil {
			placed = append(placed, added)
			for _, pe := range added.edges {
				if pe.kind >= edgePeer {
					peers = append(peers, pe)
				}
			}
		}
		return nil
	}
	for _, e := range n.edges {
		if e.kind < edgePeer {
			if err := settle(e, nil); err != nil {
				return nil, err
			}
		}
	}
	for i := 0; i < len(peers); i++ {
		var also []spec
		for _, other := range peers {
			if other != peers[i] && other.name == peers[i].name && other.spec.name == peers[i].spec.name {
				also = append(also, other.spec)
			}
		}
		if err := settle(peers[i], also); err != nil {
			return nil, err
		}
	}
	return placed, nil
}

// settle finds or places what satisfies an edge; the node is returned when it
// is a new one.
func (r *resolver) settle(ctx context.Context, e *edge, also []spec) (*node, error) {
	found := e.start().lookup(e.name)
	if e.satisfied(found) {
		e.to = found
		r.require(e)
		return nil, nil
	}
	if e.kind == edgePeerOptional {
		if found != nil {
			r.peerConflict(e, found)
		}
		return nil, nil
	}
	if found != nil && found.parent == e.start() {
		// The only place is taken: by a peer's choice, or a second dependency
		// of the same name.
		e.to = found
		r.peerConflict(e, found)
		return nil, nil
	}
	rel, err := r.fetch(ctx, e, also)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		e.err = err
		if e.kind == edgeOptional {
			r.warn("optional package %s is left out: %v", e.name, err)
			return nil, nil
		}
		if e.from.required {
			return nil, r.because(e, err)
		}
		return nil, nil
	}
	at := r.place(e, rel)
	if e.kind == edgePeer && found != nil && !r.allowed(at, e.name, rel) {
		e.to = found
		r.peerConflict(e, found)
		return nil, nil
	}
	n, err := r.add(ctx, at, e, rel)
	if err != nil {
		return nil, r.because(e, err)
	}
	e.to = n
	r.require(e)
	return n, nil
}

// require passes on that the target of an edge must not fail.
func (r *resolver) require(e *edge) {
	if !e.from.required || (e.kind != edgePlain && e.kind != edgePeer) || e.to.required {
		return
	}
	e.to.required = true
	for _, next := range e.to.edges {
		if next.to != nil {
			r.require(next)
		}
	}
}

func (r *resolver) peerConflict(e *edge, found *node) {
	r.warn("%s@%s wants %s@%s beside it, but %s is there", e.from.label(), e.from.version(), e.name, clip(e.text), found.rel.version)
}

func (n *node) label() string {
	if n.rel == nil {
		return "the project"
	}
	return n.rel.name
}

func (n *node) version() string {
	if n.rel == nil {
		return ""
	}
	return n.rel.version
}

// because adds to an error who asked for the package.
func (r *resolver) because(e *edge, err error) error {
	var be *brigade.Error
	if e.from.rel == nil || !errors.As(err, &be) {
		return err
	}
	c := *be
	c.Message += fmt.Sprintf(" (needed by %s@%s)", e.from.rel.name, e.from.rel.version)
	return &c
}

// place climbs from where the edge starts to the highest place where the
// package neither hides one that others use nor misses its peers.
func (r *resolver) place(e *edge, rel *release) *node {
	at := e.start()
	for at.parent != nil && at.parent.children[e.name] == nil && r.allowed(at.parent, e.name, rel) {
		at = at.parent
	}
	return at
}

// allowed reports whether rel may be placed in at under name.
func (r *resolver) allowed(at *node, name string, rel *release) bool {
	for _, peer := range sortedKeys(rel.manifest.Peer) {
		found := at.lookup(peer)
		if found == nil || r.builtIn(peer) {
			continue
		}
		sp, err := parseSpec(peer, rel.manifest.Peer[peer])
		if err == nil && !sp.accepts(found.rel.name, found.rel.version, found.rel.resolved) {
			return false
		}
	}
	if at.parent == nil {
		return true
	}
	for _, e := range at.hidden(name) {
		if !e.spec.accepts(rel.name, rel.version, rel.resolved) {
			return false
		}
	}
	return true
}

// hidden lists the edges that would get a package placed in n under name
// instead of the one above n that they have now.
func (n *node) hidden(name string) []*edge {
	var out []*edge
	var walk func(m *node)
	walk = func(m *node) {
		for _, e := range m.edges {
			if e.name == name && e.to != nil && e.start().within(n) && !e.to.within(n) {
				out = append(out, e)
			}
		}
		for _, c := range m.children {
			walk(c)
		}
	}
	walk(n)
	return out
}

func (n *node) within(top *node) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

// add places a package and reads what it depends on.
func (r *resolver) add(ctx context.Context, at *node, e *edge, rel *release) (*node, error) {
	if r.count++; r.count > r.limits.Packages {
		return nil, brigade.Errorf(brigade.CodeDependency, "the dependencies are more than %d packages", r.limits.Packages)
	}
	n := &node{name: e.name, rel: rel, parent: at, from: e.from, children: map[string]*node{}, depth: at.depth + 1}
	n.where = strings.ToLower(n.path())
	for _, other := range at.hidden(e.name) {
		other.to = n
	}
	at.children[e.name] = n
	if rel.deprecated != "" && !rel.locked {
		r.warn("%s@%s is deprecated: %s", rel.name, rel.version, rel.deprecated)
	}
	if err := r.edgesOf(n); err != nil {
		return nil, err
	}
	r.prefetch(ctx, n)
	r.progress(r.count)
	return n, nil
}

// edgesOf reads the dependencies of a node: not those in its tarball, not
// those that are built in.
func (r *resolver) edgesOf(n *node) error {
	m := n.rel.manifest
	add := func(deps map[string]string, kind func(name string) edgeKind) error {
		for _, name := range sortedKeys(deps) {
			if r.builtIn(name) || slices.Contains(m.Bundled, name) {
				continue
			}
			e := &edge{from: n, name: name, text: deps[name], kind: kind(name)}
			sp, err := r.project.spec(n.rel, name, e.text)
			if err == nil {
				if text, ok := override(r.rules, n, name, sp); ok {
					e.text = text
					sp, err = parseSpec(name, text)
				}
			}
			if err != nil && e.kind != edgePlain {
				r.warn("%s@%s: %v", n.rel.name, n.rel.version, err)
				continue
			}
			if err != nil {
				return err
			}
			if sp.kind == specFile {
				e.text = "file:" + sp.text
			}
			if e.spec = sp; !r.builtIn(sp.name) {
				n.edges = append(n.edges, e)
			}
		}
		return nil
	}
	always := func(k edgeKind) func(string) edgeKind { return func(string) edgeKind { return k } }
	required := maps.Clone(m.Dependencies)
	for name := range m.Optional {
		delete(required, name)
	}
	if err := add(required, always(edgePlain)); err != nil {
		return err
	}
	if err := add(m.Optional, always(edgeOptional)); err != nil {
		return err
	}
	peers := maps.Clone(m.Peer)
	for name := range required { // an own dependency serves as the peer
		delete(peers, name)
	}
	return add(peers, func(name string) edgeKind {
		if m.PeerOptional[name] {
			return edgePeerOptional
		}
		return edgePeer
	})
}

// prefetch starts to fetch what the edges of a node will need.
func (r *resolver) prefetch(ctx context.Context, n *node) {
	for _, e := range n.edges {
		if e.kind == edgePeerOptional || e.spec.kind > specTag || e.satisfied(e.start().lookup(e.name)) || r.fromLock(e) != nil {
			continue
		}
		go func() { _, _ = r.registry.packument(ctx, e.spec.name, e.spec.exact) }()
	}
}
