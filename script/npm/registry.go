package npm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"
	brigade "github.com/brigadecore/brigade/v3"
)

// maxPackument is the largest package document that is read, in bytes.
const maxPackument = 256 << 20

// maxFresh bounds how long a registry's max-age is believed.
const maxFresh = 5 * time.Minute

// registry reads packages from the registries of a configuration, through the
// store. It is safe for concurrent use.
type registry struct {
	config  *config
	web     *webClient // nil: offline
	store   contentStore
	limits  Limits
	now     func() time.Time
	warn    func(format string, args ...any)
	mu      sync.Mutex
	calls   map[string]*packumentCall
	known   []string // the project's own dependencies, for typing errors
	fetched func(name string, bytes int64)
}

// packumentCall is a fetch that several callers wait for.
type packumentCall struct {
	done chan struct{}
	doc  *packument
	err  error
}

// packument returns the document of a package. With exact, an old document
// that has that version will do: versions never change.
func (r *registry) packument(ctx context.Context, name string, exact *semver.Version) (*packument, error) {
	key := name
	if exact != nil {
		key += "@" + exact.String()
	}
	r.mu.Lock()
	call, ok := r.calls[key]
	if !ok {
		call = &packumentCall{done: make(chan struct{})}
		r.calls[key] = call
		go func() {
			call.doc, call.err = r.load(ctx, name, exact)
			close(call.done)
		}()
	}
	r.mu.Unlock()
	select {
	case <-call.done:
		return call.doc, call.err
	case <-ctx.Done():
		return nil, fmt.Errorf("install dependencies: %w", context.Cause(ctx))
	}
}

func (r *registry) load(ctx context.Context, name string, exact *semver.Version) (*packument, error) {
	base := r.config.registryFor(name)
	u, err := url.Parse(base + strings.Replace(url.PathEscape(name), "%40", "@", 1))
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "package %q: the registry's address cannot be read", name)
	}
	cred, _ := r.config.credentialFor(u)
	file := r.store.documentFile(u.String(), cred)
	old, have := readDocument(file)
	if have {
		if doc, ok := r.fromCache(old, base, exact); ok {
			return doc, nil
		}
	}
	if r.web == nil {
		return nil, offlineMissing(fmt.Sprintf("package %q", name))
	}
	if exact != nil {
		return r.packument(ctx, name, nil)
	}
	doc, err := r.fetchDocument(ctx, name, u, old, file)
	if err == nil {
		return parsePackument(base, doc.body)
	}
	var se *statusError
	if errors.As(err, &se) && se.status == http.StatusNotFound {
		return nil, r.config.unknownPackage(name, base, se.words, r.known)
	}
	if have && ctx.Err() == nil && !errors.As(err, &se) {
		if doc, perr := parsePackument(base, old.body); perr == nil {
			r.warn("the registry cannot be reached (%v): package %s is taken as it was on %s", err, name, old.Fetched.Format(time.DateOnly))
			return doc, nil
		}
	}
	return nil, r.config.fetchFailed(ctx, name, u, err)
}

// fromCache uses a document from disk when it is fresh, when there is no
// network to ask, or when it has the version that is looked for.
func (r *registry) fromCache(old *cachedDocument, base string, exact *semver.Version) (*packument, bool) {
	fresh := r.now().Sub(old.Fetched) < min(time.Duration(old.MaxAge)*time.Second, maxFresh)
	if !fresh && r.web != nil && exact == nil {
		return nil, false
	}
	doc, err := parsePackument(base, old.body)
	if err != nil {
		return nil, false
	}
	if exact != nil && doc.Versions[exact.Original()] == nil && !fresh {
		return nil, false
	}
	return doc, true
}

func (r *registry) fetchDocument(ctx context.Context, name string, u *url.URL, old *cachedDocument, file string) (*cachedDocument, error) {
	header := http.Header{"Accept": {"application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"}}
	if old != nil && old.ETag != "" {
		header.Set("If-None-Match", old.ETag)
	} else if old != nil && old.Modified != "" {
		header.Set("If-Modified-Since", old.Modified)
	}
	doc := &cachedDocument{}
	err := r.web.get(ctx, u, header, func(resp *http.Response) error {
		*doc = cachedDocument{ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified"), Fetched: r.now(), MaxAge: maxAge(resp.Header)}
		if resp.StatusCode == http.StatusNotModified {
			if old == nil {
				return errors.New("the registry answered 304 to a request without condition")
			}
			doc.body, doc.ETag, doc.Modified = old.body, old.ETag, old.Modified
			return nil
		}
		body, err := readBody(resp, maxPackument)
		if err == nil && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			err = brigade.Errorf(brigade.CodeDependency, "package %q: the answer of %s is not a package document", name, u.Host).
				WithHint("The address may belong to a login page or proxy: check registry= in .npmrc.")
		}
		doc.body = body
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := doc.write(file); err != nil {
		r.warn("the registry's document of %s cannot be cached: %v", name, err)
	}
	return doc, nil
}

func maxAge(h http.Header) int {
	for part := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			n, _ := strconv.Atoi(v)
			return max(n, 0)
		}
	}
	return 0
}

// tarballURL is where a locked package is downloaded from: what the lock
// says, moved to the configured registry when it names npm's own and another
// is configured.
func (r *registry) tarballURL(name, resolved string) (*url.URL, error) {
	u, err := url.Parse(resolved)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, brigade.Errorf(brigade.CodeDependency, "package %q has a tarball address that is not http(s)", name)
	}
	u.User = nil
	base, err := url.Parse(r.config.registryFor(name))
	if err != nil {
		return nil, fmt.Errorf("read the address of the registry of %q: %w", name, err)
	}
	if u.Host == base.Host && base.Scheme == "https" {
		u.Scheme = "https" // old documents name http addresses
	}
	replace := r.config.settings["replace-registry-host"]
	if u.Host != base.Host && replace != "never" &&
		(replace == "always" || u.Host == "registry.npmjs.org" || u.Host == replace) && strings.Contains(u.Path, "/-/") {
		u.Scheme, u.Host = base.Scheme, base.Host
		u.Path, u.RawPath = strings.TrimSuffix(base.Path, "/")+u.Path, ""
	}
	return u, nil
}

// tarball makes sure that a package is in the store, and returns its key.
// want may be empty: then the sha512 of what comes is its identity.
func (r *registry) tarball(ctx context.Context, name string, u *url.URL, want []digest) (key string, err error) {
	if key, ok := r.store.find(want); ok {
		return key, nil
	}
	if r.web == nil {
		return "", offlineMissing(fmt.Sprintf("the tarball of %s", name))
	}
	dir, err := r.store.temp()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "package.tgz")
	var got digest
	var size int64
	err = r.web.get(ctx, u, http.Header{"Accept": {"*/*"}}, func(resp *http.Response) error {
		got, size, err = saveTarball(resp, file, want, r.limits.Tarball)
		return err
	})
	if err != nil {
		return "", r.config.fetchFailed(ctx, name, u, err)
	}
	if len(want) > 0 && !matches(want, got.sum) {
		return "", tampered(name, shown(u), want, got)
	}
	key = got.file()
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read tarball: %w", err)
	}
	defer f.Close()
	if _, ok := r.store.find([]digest{got}); !ok {
		if _, err := r.store.add(ctx, f, key, r.limits); err != nil {
			return "", aboutPackage(name, err)
		}
	}
	r.fetched(name, size)
	return key, nil
}

// saveTarball writes an answer to a file and hashes it on the way.
func saveTarball(resp *http.Response, file string, want []digest, limit int64) (digest, int64, error) {
	f, err := os.Create(file)
	if err != nil {
		return digest{}, 0, fmt.Errorf("write tarball: %w", err)
	}
	defer f.Close()
	algorithm, h := newHash(want)
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(resp.Body, limit+1))
	var onDisk *fs.PathError
	if errors.As(err, &onDisk) {
		return digest{}, 0, err
	}
	if err != nil {
		return digest{}, 0, &brokenBody{fmt.Errorf("the download broke off: %w", err)}
	}
	if n > limit {
		return digest{}, 0, refuse("is larger than %d MiB", limit>>20)
	}
	return digest{algorithm, h.Sum(nil)}, n, nil
}

func tampered(name, address string, want []digest, got digest) error {
	return brigade.Errorf(brigade.CodeDependency, "the tarball of %q from %s is not the one that was published: expected %s, got %s", name, address, want[0], got).
		WithHint("It is not used. Somebody changed it on the way or in the registry, or the lock is wrong: find out which before you remove the lock's entry.")
}

// aboutPackage puts the package's name before an error about its tarball.
func aboutPackage(name string, err error) error {
	var be *brigade.Error
	if !errors.As(err, &be) {
		return fmt.Errorf("package %s: %w", name, err)
	}
	c := *be
	c.Message = fmt.Sprintf("package %q: %s", name, be.Message)
	return &c
}
