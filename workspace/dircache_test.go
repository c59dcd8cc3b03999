package workspace_test

import (
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/workspace"
	"github.com/brigadecore/brigade/v3/workspace/cachetest"
)

func TestDirCaches(t *testing.T) {
	cachetest.Run(t, func(t *testing.T, _ func() time.Time) cachetest.Place {
		dir := t.TempDir()
		return cachetest.Place{Open: func(t *testing.T, total int64, age time.Duration, now func() time.Time) workspace.Caches {
			t.Helper()
			c, err := workspace.DirCaches(dir, workspace.Limits{CacheTotal: total, CacheAge: age}, now)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}}
	})
}
