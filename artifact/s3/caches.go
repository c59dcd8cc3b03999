package s3

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

// Caches keeps caches of jobs in a bucket:
//
//	<prefix>/caches/<name>.tar.gz   what a job left
//	<prefix>/used/<name>            empty, as old as the cache's last use
//
// A name has small letters, digits, dashes, underscores and slashes. All
// methods may be called concurrently. Make it with Store.Caches.
type Caches struct {
	s   *Store
	opt CacheOptions

	evicting sync.Mutex

	mu     sync.Mutex
	marked map[string]time.Time // when the use of a cache was last written down
	total  int64                // bytes that there were at looked, and what came since
	looked time.Time            // when the bucket was last listed; zero: never
}

// CacheOptions bound what caches take.
type CacheOptions struct {
	Total int64            // bytes of all caches, as kept; default 20 GiB
	Age   time.Duration    // since a cache was last used; default 30 days
	Now   func() time.Time // default time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

const (
	cachePrefix = "caches/"
	usedPrefix  = "used/"
	cacheSuffix = ".tar.gz"
	lookEvery   = time.Hour // at the latest with the first cache that is kept after it
)

// Caches returns what keeps caches in the bucket. It makes no request.
func (s *Store) Caches(o CacheOptions) *Caches {
	if o.Total <= 0 {
		o.Total = 20 << 30
	}
	if o.Age <= 0 {
		o.Age = 30 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Caches{s: s, opt: o, marked: map[string]time.Time{}}
}

func (c *Caches) key(name string) string { return c.s.prefix + cachePrefix + name + cacheSuffix }

func (c *Caches) mark(name string) string { return c.s.prefix + usedPrefix + name }

// Open opens a cache for the caller to close; fs.ErrNotExist when there is
// none. ctx covers the reading too.
func (c *Caches) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	body, _, _, err := (&minio.Core{Client: c.s.client}).GetObject(ctx, c.s.bucket, c.key(name), minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, c.s.failed(ctx, "open the cache "+name, err)
	}
	if err := c.use(ctx, name); err != nil && ctx.Err() == nil {
		c.opt.Log.Warn("write down that a cache was used", "cache", name, "err", err) // it goes a little too early
	}
	return body, nil
}

// use writes down that a cache was used, which need not be exact.
func (c *Caches) use(ctx context.Context, name string) error {
	now := c.opt.Now()
	c.mu.Lock()
	last, known := c.marked[name]
	due := !known || now.Sub(last) > c.opt.Age/60
	if due {
		c.marked[name] = now
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	return c.s.put(ctx, c.mark(name), name, strings.NewReader(""))
}

// Newest is the name of the cache that was put last of those whose name begins
// with prefix; fs.ErrNotExist when there is none.
func (c *Caches) Newest(ctx context.Context, prefix string) (string, error) {
	newest, at := "", time.Time{}
	for o := range c.s.client.ListObjectsIter(ctx, c.s.bucket, minio.ListObjectsOptions{Prefix: c.s.prefix + cachePrefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return "", c.s.failed(ctx, "look for caches", o.Err)
		}
		name, is := strings.CutSuffix(strings.TrimPrefix(o.Key, c.s.prefix+cachePrefix), cacheSuffix)
		if is && (newest == "" || !o.LastModified.Before(at)) {
			newest, at = name, o.LastModified
		}
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if newest == "" {
		return "", fs.ErrNotExist
	}
	return newest, nil
}

// Put replaces a cache once content has been read to its end; when that ends
// with an error, the old one stays. Others are dropped when all are too large,
// or were not used for long.
func (c *Caches) Put(ctx context.Context, name string, content io.Reader) error {
	counted := &counter{from: content}
	if err := c.s.put(ctx, c.key(name), "the cache "+name, counted); err != nil {
		return err
	}
	c.mu.Lock()
	c.total += counted.n
	due := c.looked.IsZero() || c.opt.Now().Sub(c.looked) > lookEvery || c.total > c.opt.Total
	c.mu.Unlock()
	if !due || !c.evicting.TryLock() { // one is enough
		return nil
	}
	defer c.evicting.Unlock()
	if err := c.evict(ctx, name); err != nil && ctx.Err() == nil {
		c.opt.Log.Warn("drop old caches", "err", err) // this one is kept all the same
	}
	return nil
}

type counter struct {
	from io.Reader
	n    int64
}

// Read implements io.Reader.
func (r *counter) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.n += int64(n)
	return n, err
}

// cached is a cache that may have to go.
type cached struct {
	name string
	size int64
	used time.Time
}

// evict drops caches that were not used for long, and the least recently used
// ones until the rest fits; never the one of that name.
func (c *Caches) evict(ctx context.Context, but string) error {
	all, total, err := c.list(ctx)
	if err != nil {
		return err
	}
	now := c.opt.Now()
	for _, o := range all {
		if o.name == but || now.Sub(o.used) <= c.opt.Age && total <= c.opt.Total {
			continue
		}
		for _, key := range []string{c.key(o.name), c.mark(o.name)} {
			if err := c.s.client.RemoveObject(ctx, c.s.bucket, key, minio.RemoveObjectOptions{}); err != nil {
				return c.s.failed(ctx, "drop the cache "+o.name, err)
			}
		}
		total -= o.size
		c.mu.Lock()
		delete(c.marked, o.name)
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.total, c.looked = total, now
	c.mu.Unlock()
	return nil
}

// list returns all caches, the least recently used one first.
func (c *Caches) list(ctx context.Context) (all []cached, total int64, err error) {
	used := map[string]time.Time{}
	for _, kind := range []string{usedPrefix, cachePrefix} {
		for o := range c.s.client.ListObjectsIter(ctx, c.s.bucket, minio.ListObjectsOptions{Prefix: c.s.prefix + kind, Recursive: true}) {
			if o.Err != nil {
				return nil, 0, c.s.failed(ctx, "list the caches", o.Err)
			}
			name := strings.TrimPrefix(o.Key, c.s.prefix+kind)
			if kind == usedPrefix {
				used[name] = o.LastModified
				continue
			}
			name, is := strings.CutSuffix(name, cacheSuffix)
			if !is {
				continue // not ours
			}
			at := o.LastModified
			if mark := used[name]; mark.After(at) {
				at = mark
			}
			all, total = append(all, cached{name: name, size: o.Size, used: at}), total+o.Size
		}
	}
	if ctx.Err() != nil {
		return nil, 0, fmt.Errorf("list the caches: %w", context.Cause(ctx))
	}
	slices.SortFunc(all, func(a, b cached) int { return cmp.Or(a.used.Compare(b.used), strings.Compare(a.name, b.name)) })
	return all, total, nil
}
