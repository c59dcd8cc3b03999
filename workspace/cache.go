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
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/cachekey"
)

// Caches keeps the caches of jobs, each as a whole. All methods may be called
// concurrently. A name is "job" for the cache of a job without keys, and
// "job/key" for one with, both of small letters, digits, dashes and underscores.
type Caches interface {
	// Open opens a cache for the caller to close; fs.ErrNotExist when there
	// is none. ctx covers the reading too.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Newest is the name of the cache that was put last of those whose name
	// begins with prefix, which has a slash; fs.ErrNotExist when there is none.
	Newest(ctx context.Context, prefix string) (string, error)
	// Put replaces a cache once content has been read to its end; when that
	// ends with an error, the old one stays. It may drop others for it.
	Put(ctx context.Context, name string, content io.Reader) error
}

// cacheName is the cache that the job's attempt is kept as.
func cacheName(g grant) string {
	if g.Job.CacheKey == "" {
		return cacheScope(g)
	}
	return cacheScope(g) + "/" + cachekey.Encode(g.Job.CacheKey)
}

// cacheScope is the same for all builds of a project and jobs of a name. People
// can tell what it is for, and no two are the same.
func cacheScope(g grant) string {
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

// restoredStatus says that a cache is one of another key than the job's.
const restoredStatus = http.StatusNonAuthoritativeInfo

// getCache answers with the job's cache, packed with gzip.
func (s *Server) getCache(c *call) error {
	if err := c.needCache(); err != nil {
		return err
	}
	status := http.StatusOK
	content, err := s.caches.Open(c.ctx(), cacheName(c.grant))
	if errors.Is(err, fs.ErrNotExist) {
		status = restoredStatus
		content, err = s.restored(c)
	}
	if errors.Is(err, fs.ErrNotExist) {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return storeError(err, "the cache cannot be had")
	}
	defer content.Close() //nolint:errcheck // it was only read
	c.w.Header().Set("Content-Type", "application/gzip")
	c.w.WriteHeader(status)
	_, err = io.Copy(c.w, content)
	return err
}

// restored opens what will do instead of the cache of the job's key.
func (s *Server) restored(c *call) (io.ReadCloser, error) {
	for _, prefix := range c.grant.Job.CacheRestore {
		for range 3 { // it may be dropped before it is opened
			name, err := s.caches.Newest(c.ctx(), cacheScope(c.grant)+"/"+cachekey.Encode(prefix))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return nil, err
			}
			if content, err := s.caches.Open(c.ctx(), name); !errors.Is(err, fs.ErrNotExist) {
				return content, err
			}
		}
	}
	return nil, fs.ErrNotExist
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
	err := s.caches.Put(c.ctx(), cacheName(c.grant), body)
	_ = pw.CloseWithError(io.ErrUnexpectedEOF) // the check ends also when the store gave up
	switch {
	case body.failed != nil:
		return body.failed
	case err != nil:
		return storeError(err, "the cache cannot be kept")
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
