package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// realistic returns the nth of many builds; n in the ID makes them sort.
func realistic(n int) *brigade.Build {
	states := []brigade.State{brigade.StateSucceeded, brigade.StateSucceeded, brigade.StateSucceeded, brigade.StateFailed}
	return &brigade.Build{
		ID: fmt.Sprintf("01k%023d", n), ProjectID: fmt.Sprint("brigade-p", n%20), Project: fmt.Sprint("acme/app", n%20),
		State: states[n%4], Created: time.Unix(1_800_000_000+int64(n), 0).UTC(), Runner: "docker", Attempt: 1,
		Event: brigade.Event{
			Provider: "github", Type: []string{"push", "pull_request:opened", "check_run:completed"}[n%3],
			Revision:   brigade.Revision{Commit: fmt.Sprintf("%040x", n*7919), Ref: "refs/heads/main"},
			ShortTitle: fmt.Sprint("Fix the thing number ", n), Payload: strings.Repeat("x", 2000), Key: fmt.Sprint("delivery-", n),
		},
	}
}

// rawCommits measures what one commit with a flush costs without this package.
func rawCommits(b *testing.B) (perSecond float64) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "raw.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(2)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a benchmark
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE t (id TEXT PRIMARY KEY, doc BLOB)"); err != nil {
		b.Fatal(err)
	}
	stmt, err := db.Prepare("INSERT INTO t VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	doc := []byte(strings.Repeat("x", 2500))
	begun, n := time.Now(), 0
	for ; time.Since(begun) < 500*time.Millisecond; n++ {
		if _, err := stmt.Exec(fmt.Sprint(n), doc); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begun).Seconds()
}

func BenchmarkCreateBuild(b *testing.B) {
	const writers = 64
	raw := rawCommits(b)
	s := open(b, filepath.Join(b.TempDir(), "store.db"))
	var n atomic.Int64
	var mu sync.Mutex
	var waits []time.Duration
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			var own []time.Duration
			for {
				i := n.Add(1)
				if i > int64(b.N) {
					break
				}
				begun := time.Now()
				if _, err := s.CreateBuild(context.Background(), realistic(int(i))); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(begun))
			}
			mu.Lock()
			waits = append(waits, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	slices.Sort(waits)
	b.ReportMetric(rate, "builds/s")
	b.ReportMetric(rate/raw, "x-raw-commits")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
}

const many = 100_000

// filled returns a store with many builds, and a log of 10 MB in the last one.
func filled(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db"), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := next.Add(1); n <= many; n = next.Add(1) {
				if _, err := s.CreateBuild(b.Context(), realistic(int(n))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for from := 0; from < 100_000; from += 500 {
		if err := s.AppendLog(b.Context(), logLines(realistic(many).ID, from, 500)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func logLines(id string, from, n int) []brigade.LogLine {
	random := rand.New(rand.NewPCG(uint64(from), 1))
	lines := make([]brigade.LogLine, n)
	for i := range lines {
		text := fmt.Sprintf("step %d: compiled package %08x in %d ms, %d files changed, all is well so far", from+i, random.Uint32(), random.IntN(900), random.IntN(90))
		lines[i] = brigade.LogLine{BuildID: id, JobID: "test", Seq: int64(from + i + 1), Time: time.Unix(1_800_000_000, int64(from+i)*1_000_000), Text: text}
	}
	return lines
}

// timed reports the mean and the best time of step; the best is what the work
// takes when nothing else runs on the machine.
func timed(b *testing.B, step func() error) {
	best := time.Hour
	for b.Loop() {
		begun := time.Now()
		if err := step(); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(begun))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms")
	b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
}

func BenchmarkManyBuilds(b *testing.B) {
	s := filled(b)
	ctx := context.Background()
	last := realistic(many)
	for _, c := range []struct {
		name string
		f    brigade.BuildFilter
	}{
		{"all", brigade.BuildFilter{}},
		{"deep", brigade.BuildFilter{Before: realistic(1000).ID}},
		{"project", brigade.BuildFilter{ProjectID: "brigade-p7"}},
		{"states", brigade.BuildFilter{States: []brigade.State{brigade.StateFailed, brigade.StateCanceled}}},
		{"noneRunning", brigade.BuildFilter{States: []brigade.State{brigade.StateRunning, brigade.StatePending}}},
		{"projectState", brigade.BuildFilter{ProjectID: "brigade-p7", States: []brigade.State{brigade.StateFailed}}},
		{"projectType", brigade.BuildFilter{ProjectID: "brigade-p7", Type: "push"}},
		{"projectNoType", brigade.BuildFilter{ProjectID: "brigade-p7", Type: "release"}},
		{"type", brigade.BuildFilter{Type: "push"}},
		{"sinceNew", brigade.BuildFilter{Since: last.Created.Add(-time.Minute)}},
		{"sinceOld", brigade.BuildFilter{Since: last.Created.Add(-12 * time.Hour)}},
		{"sinceNewProject", brigade.BuildFilter{ProjectID: "brigade-p7", Since: last.Created.Add(-time.Minute)}},
		{"textCommon", brigade.BuildFilter{Text: "fix"}},
		{"textRare", brigade.BuildFilter{Text: "number 777"}},
		{"textNone", brigade.BuildFilter{Text: "no such thing"}},
		{"textCommit", brigade.BuildFilter{Text: last.Event.Revision.Commit}},
		{"textProject", brigade.BuildFilter{Text: "number 777", ProjectID: "brigade-p7"}},
	} {
		b.Run("list/"+c.name, func(b *testing.B) {
			timed(b, func() error { _, err := s.ListBuilds(ctx, c.f); return err })
		})
	}
	n := 0
	for name, step := range map[string]func() error{
		"build":  func() error { _, err := s.Build(ctx, last.ID); return err },
		"prefix": func() error { _, err := s.Build(ctx, last.ID[:25]); return err },
		"logTail": func() error {
			_, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: last.ID, JobID: "test", Tail: 100})
			return err
		},
		"logAfter": func() error {
			_, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: last.ID, JobID: "test", After: 99_950})
			return err
		},
		"logPage": func() error {
			_, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: last.ID, JobID: "test", After: 50_000, Limit: 1000})
			return err
		},
		"logAll":    func() error { _, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: last.ID, JobID: "test"}); return err },
		"claimNone": func() error { _, err := s.Claim(ctx, "", "me", time.Hour); return err },
		"update": func() error {
			n++
			_, err := s.UpdateBuild(ctx, last.ID, func(b *brigade.Build) error { b.Attempt = n; return nil })
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			timed(b, step)
		})
	}
}

func BenchmarkAppendLog(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"))
	if _, err := s.CreateBuild(b.Context(), realistic(1)); err != nil {
		b.Fatal(err)
	}
	const batch = 500
	lines := logLines(realistic(1).ID, 0, batch)
	bytes := int64(0)
	for _, l := range lines {
		bytes += int64(len(l.Text)) + 1
	}
	b.SetBytes(bytes)
	for b.Loop() {
		if err := s.AppendLog(context.Background(), lines); err != nil {
			b.Fatal(err)
		}
		for i := range lines {
			lines[i].Seq += batch
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store.db")
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	for n := range 100 {
		if _, err := s.CreateBuild(b.Context(), realistic(n)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var opening, working, closing time.Duration
	for n := 1000; b.Loop(); n++ {
		begun := time.Now()
		s, err := sqlite.Open(b.Context(), sqlite.Options{Path: path, Relaxed: true})
		if err != nil {
			b.Fatal(err)
		}
		opened := time.Now()
		if _, err := s.CreateBuild(b.Context(), realistic(n)); err != nil {
			b.Fatal(err)
		}
		worked := time.Now()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		opening, working, closing = opening+opened.Sub(begun), working+worked.Sub(opened), closing+time.Since(worked)
	}
	for name, d := range map[string]time.Duration{"open-ms": opening, "create-ms": working, "close-ms": closing} {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), name)
	}
}
