package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// BenchmarkWaiting looks at a long queue of several shapes, in a store without
// and with many builds that have ended.
func BenchmarkWaiting(b *testing.B) {
	const pending, projects = 10_000, 200
	for _, ended := range []int{0, many} {
		for shape, of := range map[string]func(n int) (project int, key string){
			"even":  func(n int) (int, string) { return n % projects, "" },
			"burst": func(n int) (int, string) { return max(0, n-pending+projects), "" },
			"keys":  func(n int) (int, string) { return n % projects, fmt.Sprint("refs/heads/", n) },
		} {
			b.Run(fmt.Sprintf("%s/ended=%d", shape, ended), func(b *testing.B) {
				s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db"), Relaxed: true})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close() //nolint:errcheck // a benchmark
				createMany(b, s, ended+pending, func(n int) *brigade.Build {
					build := realistic(n)
					if n < ended {
						return build
					}
					project, key := of(n - ended)
					build.State, build.ProjectID, build.ConcurrencyKey = brigade.StatePending, fmt.Sprint("brigade-p", project), key
					return build
				})
				timed(b, func() error {
					got, err := s.Waiting(context.Background(), 32, 512)
					if err == nil && len(got) < 32 {
						err = fmt.Errorf("only %d builds wait", len(got))
					}
					return err
				})
			})
		}
	}
}

func createMany(b *testing.B, s *sqlite.Store, builds int, of func(n int) *brigade.Build) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < builds; n = int(next.Add(1)) - 1 {
				if _, err := s.CreateBuild(b.Context(), of(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkPutRecord writes deliveries, as many senders do at once.
func BenchmarkPutRecord(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"))
	data := make([]byte, 1500)
	var next atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.PutRecord(context.Background(), brigade.KindDelivery, fmt.Sprintf("%026d", next.Add(1)), data); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
