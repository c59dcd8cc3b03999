package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	brigade "github.com/brigadecore/brigade/v3"
)

// selected lists the packages of a lock that belong into a tree on this
// platform, those inside other tarballs excepted. needed holds the paths
// whose failure is not tolerated.
func (in *install) selected(lock *Lock) (list []*Package, needed map[string]bool) {
	c := &checker{lock: lock, wishes: in.wishes, builtIn: in.builtIn, platform: &in.opts.Platform}
	c.run()
	for i := range lock.Packages {
		if p := &lock.Packages[i]; c.used[p.Path] && !p.Bundled {
			list = append(list, p)
		}
	}
	return list, c.required
}

// treeKey names the tree that a lock makes: the hash of the lock, the
// platform, and what the file: dependencies hold.
func (in *install) treeKey(ctx context.Context, lock *Lock, list []*Package) (string, error) {
	h := sha256.New()
	h.Write(lock.Text())
	fmt.Fprintf(h, "\x00%s\x00tree 1", in.opts.Platform)
	for _, p := range list {
		if at, ok := strings.CutPrefix(p.Resolved, "file:"); ok {
			print, err := in.project.fingerprint(ctx, at, in.opts.Limits)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "\x00%s\x00%s", p.Path, print)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:40], nil
}

// fetchAll brings every package of the list into the store and returns their
// keys. Optional packages that cannot be had are missing from keys.
func (in *install) fetchAll(ctx context.Context, list []*Package, needed map[string]bool) (keys map[string]string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys = map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	jobs := make(chan *Package)
	for range min(in.opts.Concurrency, len(list)) {
		wg.Go(func() {
			for p := range jobs {
				key, err := in.fetchOne(ctx, p)
				mu.Lock()
				switch {
				case err == nil:
					keys[p.Path] = key
					in.progress(Progress{Phase: PhaseFetch, Package: p.Name, Done: len(keys), Total: len(list), Bytes: in.bytes.Load()})
				case tolerable(err) && !needed[p.Path]:
					in.warn("optional package %s is left out: %v", p.Name, err)
				default:
					cancel(err)
				}
				mu.Unlock()
			}
		})
	}
	for _, p := range list {
		select {
		case jobs <- p:
		case <-ctx.Done():
		}
	}
	close(jobs)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return keys, nil
}

// tolerable reports whether an optional package may be missing because of
// err: the registry does not give it. One that was tampered with or breaks a
// limit is never overlooked.
func tolerable(err error) bool {
	var se *statusError
	var ue *unreachableError
	return errors.As(err, &se) || errors.As(err, &ue)
}

// fetchOne brings one package into the store. Of a lock entry without source
// or integrity the registry is asked.
func (in *install) fetchOne(ctx context.Context, p *Package) (string, error) {
	if strings.HasPrefix(p.Resolved, "file:") {
		return "", nil
	}
	var want []digest
	if p.Integrity != "" {
		var err error
		if want, err = parseIntegrity(p.Integrity); err != nil {
			return "", brigade.Errorf(brigade.CodeDependency, "package %q: %w", p.Name, err)
		}
		if key, ok := in.store.find(want); ok {
			return key, nil
		}
	}
	reg, err := in.reg()
	if err != nil {
		return "", err
	}
	address := p.Resolved
	if address == "" || len(want) == 0 {
		rel, err := in.published(ctx, p)
		if err != nil {
			return "", err
		}
		address = rel.tarball
		if len(want) == 0 && rel.integrity != "" {
			if want, err = parseIntegrity(rel.integrity); err != nil {
				return "", brigade.Errorf(brigade.CodeDependency, "package %q: %w", p.Name, err)
			}
		}
	}
	u, err := reg.tarballURL(p.Name, address)
	if err != nil {
		return "", err
	}
	key, err := reg.tarball(ctx, p.Name, u, want)
	var se *statusError
	if err != nil && errors.As(err, &se) && se.status < 500 {
		// The address may have had a query that is not stored, or has moved.
		if rel, perr := in.published(ctx, p); perr == nil && rel.tarball != address {
			if u, perr := reg.tarballURL(p.Name, rel.tarball); perr == nil {
				return reg.tarball(ctx, p.Name, u, want)
			}
		}
	}
	return key, err
}

// published is what the registry says of a locked package.
func (in *install) published(ctx context.Context, p *Package) (*release, error) {
	reg, err := in.reg()
	if err != nil {
		return nil, err
	}
	sp, err := parseSpec(p.Name, p.Version)
	if err != nil || sp.exact == nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "package %q is locked to %q, which is no version, and to no source", p.Name, clip(p.Version))
	}
	doc, err := reg.packument(ctx, p.Name, sp.exact)
	if err != nil {
		return nil, err
	}
	rel, err := parsePublished(doc, sp)
	if err != nil {
		return nil, aboutDocument(p.Name, err)
	}
	return rel, nil
}

// parsePublished reads one version out of a document without ordering them,
// which may happen in several goroutines at once.
func parsePublished(doc *packument, sp spec) (*release, error) {
	version := sp.exact.Original()
	raw, ok := doc.Versions[version]
	if !ok {
		return nil, brigade.Errorf(brigade.CodeDependency, "the registry has no version %s of %q any more", version, sp.name)
	}
	return parseRelease(sp.name, version, raw)
}

// build lays a tree out under a temporary name and renames it to its own.
func (in *install) build(ctx context.Context, list []*Package, keys map[string]string, key string) (string, error) {
	trees := contentStore{in.into}
	tmp, err := trees.temp()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	groups, order := map[string][]*Package{}, []string{}
	for _, p := range list {
		if _, ok := keys[p.Path]; !ok {
			continue
		}
		top, _, _ := strings.Cut(p.Path[len("node_modules/"):], "/node_modules/")
		if groups[top] == nil {
			order = append(order, top)
		}
		groups[top] = append(groups[top], p)
	}
	if err := os.MkdirAll(filepath.Join(tmp, "tree", "node_modules"), 0o755); err != nil {
		return "", fmt.Errorf("lay out node_modules: %w", err)
	}
	l := &linker{in: in, base: filepath.Join(tmp, "tree")}
	l.copy.Store(in.opts.Copy)
	if err := l.all(ctx, groups, order, keys); err != nil {
		return "", err
	}
	final := filepath.Join(in.into, key)
	if err := trees.publish(filepath.Join(tmp, "tree"), final); err != nil {
		return "", err
	}
	return filepath.Join(final, "node_modules"), nil
}

// linker makes the files of a tree.
type linker struct {
	in    *install
	base  string
	copy  atomic.Bool // hard links do not work, or are not wanted
	bytes atomic.Int64
	done  atomic.Int64
}

// linkWorkers is how many packages are laid out at once.
const linkWorkers = 4

// all lays out the groups, each the packages below one top folder in order.
func (l *linker) all(ctx context.Context, groups map[string][]*Package, order []string, keys map[string]string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan []*Package, len(order))
	for _, top := range order {
		jobs <- groups[top]
	}
	close(jobs)
	var wg sync.WaitGroup
	for range min(linkWorkers, len(order)) {
		wg.Go(func() {
			for group := range jobs {
				for _, p := range group {
					if ctx.Err() != nil {
						return
					}
					if err := l.one(ctx, p, keys[p.Path]); err != nil {
						cancel(err)
						return
					}
					l.in.progress(Progress{Phase: PhaseLink, Package: p.Name, Done: int(l.done.Add(1)), Total: len(keys), Bytes: l.bytes.Load()})
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (l *linker) one(ctx context.Context, p *Package, key string) error {
	dir := filepath.Join(l.base, filepath.FromSlash(p.Path))
	// A package above may have brought a copy of its own in its tarball.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("lay out %s: %w", p.Path, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("lay out %s: %w", p.Path, err)
	}
	var err error
	if at, ok := strings.CutPrefix(p.Resolved, "file:"); ok {
		err = l.in.project.copyTo(ctx, at, dir, l.in.opts.Limits, l.link)
	} else {
		err = l.link(key, dir)
	}
	if err != nil {
		return fmt.Errorf("lay out %s: %w", p.Path, err)
	}
	return nil
}

// link makes the files of a stored package in dir.
func (l *linker) link(key, dir string) error {
	store := l.in.store
	content, err := store.content(key)
	if err != nil {
		return err
	}
	if l.bytes.Add(content.Bytes) > l.in.opts.Limits.Total {
		return brigade.Errorf(brigade.CodeDependency, "the dependencies unpack to more than %d MiB", l.in.opts.Limits.Total>>20)
	}
	now := l.in.opts.Now()
	_ = os.Chtimes(store.path("packages", key), now, now) // for Prune; a cache that is read-only keeps its times
	made := map[string]bool{dir: true}
	for _, f := range content.Files {
		if !fs.ValidPath(f.Path) {
			return brigade.Errorf(brigade.CodeDependency, "the cache's list of files holds the path %q", clip(f.Path)).
				WithHint("Remove the cache directory %s.", store.dir)
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if parent := filepath.Dir(to); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made[parent] = true
		}
		if err := l.file(filepath.Join(store.files(key), filepath.FromSlash(f.Path)), to); err != nil {
			return err
		}
	}
	return nil
}

func (l *linker) file(from, to string) error {
	if !l.copy.Load() {
		err := os.Link(from, to)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return brigade.Errorf(brigade.CodeDependency, "the cache has lost the file %s", from).
				WithHint("Remove the cache directory %s.", l.in.store.dir)
		}
		l.copy.Store(true) // another file system, or one without hard links
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeReadOnly(to, f)
}
