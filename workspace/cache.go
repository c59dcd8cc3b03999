package workspace

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Caches keeps the caches of jobs, each as a whole. All methods may be called
// concurrently. A key is a file's name of letters, digits and dashes.
type Caches interface {
	// Open opens a cache for the caller to close; fs.ErrNotExist when there
	// is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Put replaces a cache once content has been read to its end; when that
	// ends with an error, the old one stays. It may drop others for it.
	Put(ctx context.Context, key string, content io.Reader) error
}

// cacheKey is the same for all builds of a project and jobs of a name. People
// can tell what it is for, and no two are the same.
func cacheKey(g grant) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(g.Project)) + " " + g.Project + "\n" + g.Job.Name))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(g.Job.Name))
	return name[:min(len(name), 40)] + "-" + hex.EncodeToString(sum[:20])
}

func (c *call) needCache() error {
	if err := c.needJob(); err != nil {
		return err
	}
	if c.grant.Job.Cache <= 0 || c.grant.Project == "" {
		return brigade.Errorf(brigade.CodeDenied, "the job %s has no cache", c.grant.Job.Job).WithHint("set job.cache.enabled = true")
	}
	return nil
}

// getCache answers with the job's cache, packed with gzip.
func (s *Server) getCache(c *call) error {
	if err := c.needCache(); err != nil {
		return err
	}
	content, err := s.caches.Open(c.ctx(), cacheKey(c.grant))
	if errors.Is(err, fs.ErrNotExist) {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	c.w.Header().Set("Content-Type", "application/gzip")
	_, err = io.Copy(c.w, content)
	return err
}

// putCache replaces the job's cache by what a sidecar packed with gzip, when it
// is an archive within the bounds.
func (s *Server) putCache(c *call) error {
	if err := c.needCache(); err != nil {
		return err
	}
	if c.grant.CacheReadOnly {
		return brigade.Errorf(brigade.CodeDenied, "builds for strangers do not change caches")
	}
	limit := bounds{bytes: min(c.grant.Job.Cache, s.opt.Limits.Cache), files: s.opt.Limits.Files, noun: "cache"}
	// The archive is looked through while the store reads it. What the check
	// finds is what the store's reader fails with, at its end at the latest.
	pr, pw := io.Pipe()
	checked := make(chan error, 1)
	go func() {
		packed, err := gzip.NewReader(pr)
		if err == nil {
			err = checkArchive(c.ctx(), packed, limit)
		}
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
			err = brigade.Errorf(brigade.CodeInvalid, "what was sent is not packed with gzip: %w", err)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // there was nothing at all
		}
		_ = pr.CloseWithError(cmp.Or(err, io.ErrClosedPipe))
		checked <- err
	}()
	body := &checkedReader{r: c.body, to: pw, checked: checked}
	err := s.caches.Put(c.ctx(), cacheKey(c.grant), body)
	_ = pw.CloseWithError(io.ErrUnexpectedEOF) // the check ends also when the store gave up
	if err != nil {
		return cmp.Or(body.failed, err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkedReader reads r, lets somebody look at it, and ends only when they are
// content.
type checkedReader struct {
	r       io.Reader
	to      *io.PipeWriter
	checked <-chan error
	failed  error
	done    bool
}

func (k *checkedReader) Read(p []byte) (int, error) {
	if k.done {
		return 0, cmp.Or(k.failed, io.EOF)
	}
	n, err := k.r.Read(p)
	if n > 0 {
		if _, writeErr := k.to.Write(p[:n]); writeErr != nil { // the check is over before the end
			k.done = true
			k.failed = cmp.Or(<-k.checked, error(brigade.Errorf(brigade.CodeInvalid, "there is something behind the end of what was sent")))
			return 0, k.failed
		}
	}
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		k.done, k.failed = true, err
		return n, err
	}
	k.done = true
	_ = k.to.Close()
	k.failed = <-k.checked
	return n, cmp.Or(k.failed, io.EOF)
}

// dirCaches keeps caches as files.
type dirCaches struct {
	dir    string
	limits Limits
	now    func() time.Time
	mu     sync.Mutex // one eviction at a time
}

const cacheSuffix = ".tar.gz"

func newDirCaches(dir string, limits Limits, now func() time.Time) (*dirCaches, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, storeError(err, "the directory for caches cannot be made")
	}
	left, _ := filepath.Glob(filepath.Join(dir, "put-*")) // the pattern is right
	for _, name := range left {
		_ = os.Remove(name) // it only takes space
	}
	d := &dirCaches{dir: dir, limits: limits, now: now}
	return d, d.evict("")
}

func (d *dirCaches) path(key string) string { return filepath.Join(d.dir, key+cacheSuffix) }

func (d *dirCaches) Open(_ context.Context, key string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, err
	}
	now := d.now()
	_ = os.Chtimes(d.path(key), now, now) // else it goes a little too early
	return f, nil
}

func (d *dirCaches) Put(_ context.Context, key string, content io.Reader) error {
	f, err := os.CreateTemp(d.dir, "put-*")
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
		err = os.Rename(f.Name(), d.path(key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return d.evict(key)
}

// evict removes caches that were not used for long, and the least recently used
// ones until all fit; never the one of the key.
func (d *dirCaches) evict(key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return storeError(err, "the caches cannot be read")
	}
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), cacheSuffix) {
			continue
		}
		files = append(files, info)
		total += info.Size()
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		old := d.now().Sub(info.ModTime()) > d.limits.CacheAge
		if info.Name() == key+cacheSuffix || !old && total <= d.limits.CacheTotal {
			continue
		}
		if err := os.Remove(filepath.Join(d.dir, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storeError(err, "a cache cannot be removed")
		}
		total -= info.Size()
	}
	return nil
}
