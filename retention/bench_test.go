package retention_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/retention"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// BenchmarkSweep looks through 100,000 builds of 50 projects when none is due,
// and deletes the 10,000 oldest of them.
func BenchmarkSweep(b *testing.B) {
	const builds, projects, due = 100_000, 50, 10_000
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db"), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a benchmark
	for p := range projects {
		if err := s.PutProject(b.Context(), brigade.NewProject(fmt.Sprint("p", p))); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= builds; n = int(next.Add(1)) {
				at := noon.Add(-time.Duration(n) * time.Minute)
				_, err := s.CreateBuild(b.Context(), &brigade.Build{
					ID: id.New(at), ProjectID: brigade.ProjectID(fmt.Sprint("p", n%projects)), Project: "p", Created: at, Ended: at,
					State: brigade.StateSucceeded, Event: brigade.Event{Type: "push", Payload: strings.Repeat("x", 2000)},
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	sweeper := func(age time.Duration) *retention.Sweeper {
		return retention.New(retention.Options{Store: s, Global: retain(age, 0, 1990), Now: func() time.Time { return noon }, Most: due})
	}
	b.Run("none", func(b *testing.B) {
		idle := sweeper(builds * time.Minute)
		for b.Loop() {
			if r, err := idle.Sweep(context.Background()); err != nil {
				b.Fatal(err, r)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		deleted := 0
		for b.Loop() {
			r, err := sweeper((builds - due) * time.Minute).Sweep(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			deleted += r.Builds
		}
		b.ReportMetric(float64(deleted)/b.Elapsed().Seconds(), "builds/s")
	})
}
