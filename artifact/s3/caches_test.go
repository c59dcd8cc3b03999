package s3

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/artifact/s3/s3test"
	"github.com/brigadecore/brigade/v3/workspace"
	"github.com/brigadecore/brigade/v3/workspace/cachetest"
)

var _ workspace.Caches = (*Caches)(nil)

func TestCaches(t *testing.T) {
	cachetest.Run(t, func(t *testing.T, now func() time.Time) cachetest.Place {
		f := s3test.New()
		f.Now = now
		store := open(t, f, false, true)
		return cachetest.Place{Open: func(_ *testing.T, total int64, age time.Duration, now func() time.Time) workspace.Caches {
			return store.Caches(CacheOptions{Total: total, Age: age, Now: now})
		}}
	})
}

// TestCacheRequests counts what caches cost.
func TestCacheRequests(t *testing.T) {
	f := s3test.New()
	c := open(t, f, false, true).Caches(CacheOptions{})
	put := func(name string) {
		t.Helper()
		if err := c.Put(t.Context(), name, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	get := func(name string) {
		t.Helper()
		content, err := c.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		_ = content.Close()
	}
	put("job/a")
	if n := len(f.Requests()); n != 3 { // and two lists, the first time
		t.Errorf("the first cache took %d requests", n)
	}
	put("job/b")
	if n := len(f.Requests()); n != 1 {
		t.Errorf("a further cache took %d requests", n)
	}
	get("job/a")
	f.Requests()
	get("job/a")
	if n := len(f.Requests()); n != 1 {
		t.Errorf("to read a cache again took %d requests", n)
	}
	if want := []string{"some where/caches/job/a.tar.gz", "some where/caches/job/b.tar.gz", "some where/used/job/a"}; !slices.Equal(f.Objects(), want) {
		t.Errorf("the bucket holds %q", f.Objects())
	}
}
