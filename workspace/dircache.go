package workspace

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// dirCaches keeps caches as files, "job.tar.gz" and "job/key.tar.gz". Beside a
// cache that was read is an empty file, which is as old as the last reading.
type dirCaches struct {
	dir    string
	limits Limits
	now    func() time.Time
	mu     sync.Mutex // one eviction at a time
}

const (
	cacheSuffix = ".tar.gz"
	usedSuffix  = ".used"
	cacheTemp   = "put-*" // in the directory of caches
)

// DirCaches keeps caches in a directory of this machine, of which it makes and
// tidies what is needed. Of limits CacheTotal and CacheAge count.
func DirCaches(dir string, limits Limits, now func() time.Time) (Caches, error) {
	limits = limits.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, storeError(err, "the directory for caches cannot be made")
	}
	left, _ := filepath.Glob(filepath.Join(dir, cacheTemp)) // the pattern is right
	for _, name := range left {
		_ = os.Remove(name) // it only takes space
	}
	d := &dirCaches{dir: dir, limits: limits, now: now}
	if err := d.evict(""); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *dirCaches) path(name string) string {
	return filepath.Join(d.dir, filepath.FromSlash(name)+cacheSuffix)
}

func (d *dirCaches) Open(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	used, now := strings.TrimSuffix(d.path(name), cacheSuffix)+usedSuffix, d.now()
	if err := os.Chtimes(used, now, now); errors.Is(err, fs.ErrNotExist) {
		if mark, err := os.Create(used); err == nil { // else it goes a little too early
			_ = mark.Close()
			_ = os.Chtimes(used, now, now)
		}
	}
	return f, nil
}

func (d *dirCaches) Newest(_ context.Context, prefix string) (string, error) {
	scope, key := path.Split(prefix)
	entries, err := os.ReadDir(filepath.Join(d.dir, filepath.FromSlash(scope)))
	if err != nil {
		return "", err
	}
	newest, at := "", time.Time{}
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), cacheSuffix)
		if !is || !strings.HasPrefix(name, key) {
			continue
		}
		if info, err := e.Info(); err == nil && (newest == "" || !info.ModTime().Before(at)) {
			newest, at = scope+name, info.ModTime()
		}
	}
	if newest == "" {
		return "", fs.ErrNotExist
	}
	return newest, nil
}

func (d *dirCaches) Put(_ context.Context, name string, content io.Reader) error {
	f, err := os.CreateTemp(d.dir, cacheTemp)
	if err != nil {
		return storeError(err, "there is no place for the cache")
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		now := d.now()
		err = os.Chtimes(f.Name(), now, now)
	}
	if err == nil {
		err = d.moveTo(f.Name(), d.path(name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return d.evict(name)
}

// moveTo takes a file to its place. The directory may be removed meanwhile,
// because the last cache in it went.
func (d *dirCaches) moveTo(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// cached is a cache that may have to go.
type cached struct {
	path string
	size int64
	used time.Time
}

// evict removes caches that were not used for long, and the least recently used
// ones until all fit; never the one of that name.
func (d *dirCaches) evict(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, total, err := d.list()
	if err != nil {
		return storeError(err, "the caches cannot be read")
	}
	for _, c := range all {
		old := d.now().Sub(c.used) > d.limits.CacheAge
		if name != "" && c.path == d.path(name) || !old && total <= d.limits.CacheTotal {
			continue
		}
		if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storeError(err, "a cache cannot be removed")
		}
		_ = os.Remove(strings.TrimSuffix(c.path, cacheSuffix) + usedSuffix) // it has none, perhaps
		if at := filepath.Dir(c.path); at != d.dir {
			_ = os.Remove(at) // when it is empty
		}
		total -= c.size
	}
	return nil
}

// list returns all caches, the least recently used one first.
func (d *dirCaches) list() (all []cached, total int64, err error) {
	err = filepath.WalkDir(d.dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(at, cacheSuffix) {
			if errors.Is(err, fs.ErrNotExist) && at != d.dir {
				err = nil
			}
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		c := cached{path: at, size: info.Size(), used: info.ModTime()}
		if mark, err := os.Stat(strings.TrimSuffix(at, cacheSuffix) + usedSuffix); err == nil && mark.ModTime().After(c.used) {
			c.used = mark.ModTime()
		}
		all, total = append(all, c), total+c.size
		return nil
	})
	slices.SortFunc(all, func(a, b cached) int { return cmp.Or(a.used.Compare(b.used), strings.Compare(a.path, b.path)) })
	return all, total, err
}
