package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	brigade "github.com/brigadecore/brigade/v3"
)

// install is one run of Install.
type install struct {
	opts     Options
	req      Request
	into     string
	manifest *Manifest
	wishes   []wish
	builtIn  func(string) bool
	store    contentStore
	project  *project

	once     sync.Once
	registry *registry
	regErr   error
	mu       sync.Mutex
	warnings []string
	bytes    atomic.Int64 // downloaded
}

// Install makes the tree of a project's dependencies, or finds it ready. An
// error that the project or the registry causes has CodeDependency; when ctx
// ends its cause is returned.
func (i *Installer) Install(ctx context.Context, req Request) (Tree, error) {
	in := &install{
		opts: i.opts, req: req, into: req.Into, builtIn: i.opts.BuiltIn,
		store: contentStore{i.opts.Cache}, project: &project{req.Dir, contentStore{i.opts.Cache}},
	}
	if in.into == "" {
		in.into = in.store.path("trees")
	}
	tree, err := in.run(ctx)
	if in.registry != nil && in.registry.web != nil && i.opts.HTTP == nil {
		in.registry.web.close()
	}
	if err != nil && ctx.Err() != nil {
		return Tree{}, fmt.Errorf("install dependencies: %w", context.Cause(ctx))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	tree.Warnings = in.warnings
	return tree, err
}

func (in *install) run(ctx context.Context) (Tree, error) {
	var err error
	if in.manifest = in.req.Manifest; in.manifest == nil {
		if in.req.Dir == "" {
			return Tree{}, brigade.Errorf(brigade.CodeUsage, "neither a manifest nor a project directory is given")
		}
		if in.manifest, err = ReadManifest(in.req.Dir, in.req.BrigadeOnly); err != nil {
			return Tree{}, err
		}
	}
	if in.wishes, err = wishes(in.manifest, in.req.Dev, in.builtIn); err != nil {
		return Tree{}, err
	}
	if len(in.wishes) == 0 {
		return Tree{Lock: &Lock{Version: lockVersion, Dependencies: map[string]string{}}}, nil
	}
	lock, origin, err := in.lock(ctx)
	if err != nil {
		return Tree{}, err
	}
	tree, err := in.tree(ctx, lock)
	if err != nil {
		return Tree{}, err
	}
	tree.LockSaved, err = in.save(tree.Lock, origin)
	return tree, err
}

// tree finds or makes the tree of a lock.
func (in *install) tree(ctx context.Context, lock *Lock) (Tree, error) {
	list, needed := in.selected(lock)
	key, err := in.treeKey(ctx, lock, list)
	if err != nil {
		return Tree{}, err
	}
	if dir, ok := in.ready(key); ok {
		return Tree{Dir: dir, Lock: lock, Packages: values(list, nil), FromCache: true}, nil
	}
	in.store.sweep(in.opts.Now())
	contentStore{in.into}.sweep(in.opts.Now())
	keys, err := in.fetchAll(ctx, list, needed)
	if err != nil {
		return Tree{}, err
	}
	if err := complete(lock, list, keys); err != nil {
		return Tree{}, err
	}
	if key, err = in.treeKey(ctx, lock, list); err != nil {
		return Tree{}, err
	}
	if len(keys) < len(list) { // another time what is missing may be had
		sum := sha256.Sum256([]byte(strings.Join(sortedKeys(keys), "\x00")))
		key += "-" + hex.EncodeToString(sum[:8])
	}
	dir, ok := in.ready(key)
	if !ok {
		if dir, err = in.build(ctx, list, keys, key); err != nil {
			return Tree{}, err
		}
	}
	return Tree{Dir: dir, Lock: lock, Packages: values(list, keys), FromCache: ok}, nil
}

// ready finds a finished tree, and marks it as used.
func (in *install) ready(key string) (string, bool) {
	dir := filepath.Join(in.into, key)
	modules := filepath.Join(dir, "node_modules")
	if info, err := os.Stat(modules); err != nil || !info.IsDir() {
		return "", false
	}
	now := in.opts.Now()
	_ = os.Chtimes(dir, now, now) // for Prune; where it is forbidden nothing is lost
	return modules, true
}

// complete notes the integrity of packages that had none.
func complete(lock *Lock, list []*Package, keys map[string]string) error {
	for _, p := range list {
		if p.Integrity != "" || lock.foreign || keys[p.Path] == "" {
			continue
		}
		var err error
		if p.Integrity, err = keyIntegrity(keys[p.Path]); err != nil {
			return err
		}
	}
	return nil
}

func values(list []*Package, keys map[string]string) []Package {
	out := make([]Package, 0, len(list))
	for _, p := range list {
		if _, ok := keys[p.Path]; ok || keys == nil {
			out = append(out, *p)
		}
	}
	return out
}

// warn notes something for people, once.
func (in *install) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	in.mu.Lock()
	defer in.mu.Unlock()
	if !slices.Contains(in.warnings, text) {
		in.warnings = append(in.warnings, text)
		in.opts.Log.Warn("npm", "warning", text)
	}
}

func (in *install) progress(p Progress) {
	if in.req.Progress == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.req.Progress(p)
}

// reg makes the registry client on first use: a warm install needs none.
func (in *install) reg() (*registry, error) {
	in.once.Do(func() {
		c, err := loadConfig(in.req.Dir, in.opts.Home, in.opts.Env)
		if err != nil {
			in.regErr = err
			return
		}
		r := &registry{config: c, store: in.store, limits: in.opts.Limits, now: in.opts.Now, warn: in.warn, calls: map[string]*packumentCall{}}
		for _, w := range in.wishes {
			r.known = append(r.known, w.name)
		}
		r.fetched = func(_ string, n int64) { in.bytes.Add(n) }
		if !in.req.Offline {
			if c.settings["strict-ssl"] == "false" {
				in.warn("strict-ssl=false: the registry's certificate is not checked")
			}
			r.web, in.regErr = newWebClient(c, in.opts.HTTP, in.opts.Env, in.opts.Concurrency, in.opts.Sleep)
		}
		in.registry = r
	})
	return in.registry, in.regErr
}
