package workspace_test

import (
	"context"
	"io"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/artifact/s3/s3test"
	"github.com/brigadecore/brigade/v3/workspace"
)

// keyed asks for a cache of that key.
func keyed(key string, restore ...string) func(*brigade.JobRun) {
	return func(r *brigade.JobRun) {
		r.Job.Spec.Cache = brigade.JobCache{Enabled: true, Size: "10Ki", Key: key, RestoreKeys: restore}
	}
}

// bucket keeps caches in an object store.
func bucket(t *testing.T) (workspace.Caches, *s3test.Service) {
	t.Helper()
	service := s3test.New()
	front := httptest.NewServer(service)
	t.Cleanup(front.Close)
	store, err := s3.Open(s3.Options{
		Endpoint: front.URL, Region: s3test.Region, Bucket: s3test.Bucket, PathStyle: true, AccessKey: s3test.Key, SecretKey: s3test.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store.Caches(s3.CacheOptions{}), service
}

// TestCacheKeys has jobs ask for caches by key, kept in a directory and in an
// object store.
func TestCacheKeys(t *testing.T) {
	for _, name := range []string{"Directory", "ObjectStore"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, workspace.Limits{})
			if name == "ObjectStore" {
				h.caches, _ = bucket(t)
				h.restart()
			}
			cacheKeys(h)
		})
	}
}

func cacheKeys(h *house) {
	builds := 0
	var change func(*brigade.JobRun)
	// job runs a job that finds want and leaves file besides; "": nothing.
	job := func(what string, spec func(*brigade.JobRun), want, file string) {
		h.Helper()
		builds++
		more := []func(*brigade.JobRun){spec}
		if change != nil {
			more = append(more, change)
		}
		p := h.pod(run("b"+string(rune('a'+builds)), "test", more...))
		p.fetch()
		var found []string
		for path := range tree(h.T, filepath.Join(p.volumes, "brigade-cache")) {
			found = append(found, path)
		}
		if got := strings.Join(found, " "); len(found) > 1 || got != want {
			h.Errorf("%s: the cache has %q, want %q", what, got, want)
		}
		if file != "" {
			if want != "" {
				p.remove("/mnt/brigade/cache/" + want)
			}
			p.write("/mnt/brigade/cache/"+file, "x")
		}
		if r := p.save(); len(r.Problems) > 0 {
			h.Errorf("%s: %q", what, r.Problems)
		}
	}
	job("the first", keyed("npm-Aa/1", "npm-", ""), "", "one")
	job("the same key", keyed("npm-Aa/1"), "one", "")
	job("another key", keyed("npm-bb"), "", "two")
	job("no key", cached("10Ki"), "", "plain")
	job("a new key with what else will do", keyed("npm-cc", "go-", "npm-"), "two", "")
	job("kept under the new key although nothing changed", keyed("npm-cc"), "two", "")
	job("changed under its key", keyed("npm-Aa/1"), "one", "three")
	job("the newest of those that begin so", keyed("npm-dd", "npm-"), "three", "")
	job("an exact key goes before the newest", keyed("npm-bb", "npm-"), "two", "")
	job("the first that any begins with", keyed("x", "npm-b", "npm-A"), "two", "")
	job("whatever there is", keyed("y", ""), "two", "")
	job("no key again", cached("10Ki"), "plain", "")
	change = func(r *brigade.JobRun) { r.Project = brigade.NewProject("acme/other") }
	job("another project", keyed("npm-bb", "npm-", ""), "", "")
	change = func(r *brigade.JobRun) { r.Build.Event.Untrusted = true }
	job("a stranger", keyed("npm-zz", "npm-bb"), "two", "evil")
	change = nil
	job("after the stranger", keyed("npm-zz"), "", "")
}

// TestCacheKeysThatCannotBe are refused before anything is done.
func TestCacheKeysThatCannotBe(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	many := strings.Split(strings.Repeat("k,", brigade.MaxCacheRestoreKeys), ",")
	for name, spec := range map[string]func(*brigade.JobRun){
		"long": keyed(strings.Repeat("x", 201)), "long with capitals": keyed(strings.Repeat("X", 67)), "a line": keyed("a\nb"),
		"restoreKeys alone": keyed("", "a"), "a long one to restore": keyed("a", strings.Repeat("x", 201)), "many": keyed("a", many...),
	} {
		r := run("b1", "test", spec)
		if _, err := h.server.Prepare(t.Context(), r, workspace.Wants(r)); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Job.Spec.Validate(); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("%s: the spec is fine: %v", name, err)
		}
	}
	most := run("b1", "test", keyed(strings.Repeat("x", 200), many[1:]...))
	for i := range most.Job.Spec.Cache.RestoreKeys {
		most.Job.Spec.Cache.RestoreKeys[i] = strings.Repeat("ü", 33)
	}
	p := h.pod(most) // the longest token is accepted
	p.fetch()
	p.write("/mnt/brigade/cache/x", "x")
	if got := p.save(); len(got.Problems) > 0 {
		t.Errorf("%q", got.Problems)
	}
}

// trouble is a place for caches that fails.
type trouble struct{ err error }

func (b trouble) Open(context.Context, string) (io.ReadCloser, error) { return nil, b.err }
func (b trouble) Newest(context.Context, string) (string, error)      { return "", fs.ErrNotExist }
func (b trouble) Put(_ context.Context, _ string, _ io.Reader) error  { return b.err }

// TestCacheTroubles keep no job from running: its log tells of them.
func TestCacheTroubles(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	h.caches = trouble{brigade.Errorf(brigade.CodeUnavailable, "the bucket's service cannot be reached")}
	h.restart()
	p := h.pod(run("b1", "test", keyed("a", "b"), storage))
	p.fetch()
	p.write("/mnt/brigade/cache/x", "x")
	p.write("/mnt/brigade/share/x", "x")
	got := p.save()
	told := strings.Join(got.Problems, "\n")
	if !got.Reported || got.Failure != nil || len(got.Problems) != 2 || !strings.Contains(told, "the cache is left out") || !strings.Contains(told, "the cache is not kept") || !strings.Contains(told, "service cannot be reached") {
		t.Errorf("%+v", got)
	}
	q := h.pod(run("b1", "other", storage))
	q.fetch()
	same(t, "the build's storage", q.share(), map[string]string{"x": "x"})
}
