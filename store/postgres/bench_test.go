package postgres_test

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
	"github.com/brigadecore/brigade/v3/e2e/pgserver"
	"github.com/brigadecore/brigade/v3/store/postgres"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// benched returns the nth of many builds; n in the ID makes them sort.
func benched(n int) *brigade.Build {
	states := []brigade.State{brigade.StateSucceeded, brigade.StateSucceeded, brigade.StatePending, brigade.StateFailed}
	return &brigade.Build{
		ID: fmt.Sprintf("01k%023d", n), ProjectID: fmt.Sprint("brigade-p", n%20), Project: fmt.Sprint("acme/app", n%20),
		State: states[n%4], Created: time.Unix(1_800_000_000+int64(n), 0).UTC(),
		Event: brigade.Event{
			Provider: "github", Type: []string{"push", "pull_request:opened", "check_run:completed"}[n%3],
			Revision:   brigade.Revision{Commit: fmt.Sprintf("%040x", n*7919), Ref: "refs/heads/main"},
			ShortTitle: fmt.Sprint("Fix the thing number ", n), Payload: strings.Repeat("x", 2000), Key: fmt.Sprint("delivery-", n),
		},
	}
}

// together calls f for 0 to n-1 from several places at once.
func together(n int, f func(int) error) error {
	var next, failed atomic.Int64
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == 0; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
					failed.Store(1)
				}
			}
		})
	}
	wg.Wait()
	return first
}

// BenchmarkAgainstSQLite does the same with both stores and prints how many
// times as long PostgreSQL takes. Neither waits for the disk: what is compared
// is the way to the server and back, and the work.
func BenchmarkAgainstSQLite(b *testing.B) {
	const builds = 5000
	ctx := context.Background()
	server := pgserver.For(b)
	file, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db"), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // a benchmark
	stores := []brigade.Store{file, open(b, postgres.Options{DSN: schema(b, server) + " pool_max_conns=16"})}
	lines := make([]brigade.LogLine, 200)
	for _, c := range []struct {
		name string
		n    int
		call func(s brigade.Store, n int) error
	}{
		{"create", builds, func(s brigade.Store, n int) error { _, err := s.CreateBuild(ctx, benched(n)); return err }},
		{"repeated", 1000, func(s brigade.Store, n int) error { _, err := s.CreateBuild(ctx, benched(n)); return err }},
		{"build", 2000, func(s brigade.Store, n int) error { _, err := s.Build(ctx, benched(n).ID); return err }},
		{"update", 1000, func(s brigade.Store, n int) error {
			_, err := s.UpdateBuild(ctx, benched(n).ID, func(b *brigade.Build) error { b.Runner = "x"; return nil })
			return err
		}},
		{"waiting", 100, func(s brigade.Store, _ int) error { _, err := s.Waiting(ctx, 32, 512); return err }},
		{"claim", 1000, func(s brigade.Store, _ int) error { _, err := s.Claim(ctx, "", "me", time.Hour); return err }},
		{"renew", 1000, func(s brigade.Store, n int) error { return s.Renew(ctx, benched(4*(n%200)+2).ID, "me", time.Hour) }},
		{"job", 1000, func(s brigade.Store, n int) error {
			return s.PutJob(ctx, &brigade.Job{ID: fmt.Sprint("j", n), BuildID: benched(n).ID})
		}},
		{"log", 500, func(s brigade.Store, n int) error {
			own := make([]brigade.LogLine, len(lines))
			for i := range own {
				own[i] = brigade.LogLine{BuildID: benched(n).ID, Seq: int64(i + 1), Text: "compiled another package in some time, all is well"}
			}
			return s.AppendLog(ctx, own)
		}},
		{"tail", 500, func(s brigade.Store, n int) error {
			_, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: benched(n).ID, Tail: 100})
			return err
		}},
		{"list", 200, func(s brigade.Store, _ int) error { _, err := s.ListBuilds(ctx, brigade.BuildFilter{}); return err }},
		{"listRare", 200, func(s brigade.Store, _ int) error {
			_, err := s.ListBuilds(ctx, brigade.BuildFilter{ProjectID: "brigade-p7", States: []brigade.State{brigade.StateRunning}})
			return err
		}},
		{"text", 100, func(s brigade.Store, _ int) error {
			_, err := s.ListBuilds(ctx, brigade.BuildFilter{Text: "number 4777"})
			return err
		}},
		{"record", 2000, func(s brigade.Store, n int) error {
			return s.PutRecord(ctx, brigade.KindDelivery, fmt.Sprint(n), make([]byte, 1500))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took [2]time.Duration
			for i, s := range stores {
				begun := time.Now()
				if err := together(c.n, func(n int) error { return c.call(s, n) }); err != nil {
					b.Fatal(err)
				}
				took[i] = time.Since(begun)
			}
			b.ReportMetric(float64(took[1].Microseconds())/float64(c.n), "µs")
			b.ReportMetric(float64(took[1])/float64(took[0]), "x-sqlite")
			b.ReportMetric(0, "ns/op")
		})
	}
}
