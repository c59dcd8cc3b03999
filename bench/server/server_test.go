package server

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/serving"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

const hello = `
const { events, Job } = require("brigadier");
events.on("bench", () => {
  const job = new Job("hello", "alpine:3.20", ["echo hello"]);
  job.env = { DUMMY_OUTPUT: "hello" };
  return job.run();
});
`

// occupied keeps the only build of the project at work, so that all others wait.
const occupied = `
const { events, Job } = require("brigadier");
events.on("bench", () => {
  const job = new Job("hold", "alpine:3.20", ["sleep"]);
  job.env = { DUMMY_SLEEP: "1h" };
  return job.run();
});
`

func cloudEvent(n int64) map[string]any {
	return map[string]any{
		"specversion": "1.0", "id": fmt.Sprint(n), "source": "bench", "type": "bench",
		"datacontenttype": "application/json", "data": map[string]any{"n": n, "text": strings.Repeat("x", 500)},
	}
}

func sendOne(ctx context.Context, s *serving.Server, n int64) error {
	body, err := json.Marshal(cloudEvent(n))
	if err != nil {
		return err
	}
	_, err = s.Send(ctx, "/cloudevents/bench/secret", http.Header{"Content-Type": {"application/cloudevents+json"}}, body)
	return err
}

func sendBatch(ctx context.Context, s *serving.Server, from, to int64) error {
	var batch []map[string]any
	for n := from; n < to; n++ {
		batch = append(batch, cloudEvent(n))
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	_, err = s.Send(ctx, "/cloudevents/bench/secret", http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, body)
	return err
}

// rawInserts is how many rows per second SQLite takes, each flushed on its own.
func rawInserts(b *testing.B, n int) float64 {
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
	doc := []byte(strings.Repeat("x", 800))
	begun := time.Now()
	for i := range n {
		if _, err := db.Exec("INSERT INTO t VALUES (?, ?)", fmt.Sprint(i), doc); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begun).Seconds()
}

// BenchmarkEvents sends events through the CloudEvents gateway, first as fast
// as they are taken, then 2,000 every second whether answers come or not.
func BenchmarkEvents(b *testing.B) {
	s := start(b, occupied, "--max-builds", "1")
	var n atomic.Int64
	one := func() time.Duration {
		begun := time.Now()
		if err := sendOne(b.Context(), s, n.Add(1)); err != nil {
			b.Error(err)
		}
		return time.Since(begun)
	}
	for b.Loop() {
		const events, senders, rate, seconds = 10_000, 32, 2000, 5
		one()
		var mu sync.Mutex
		var took []time.Duration
		keep := func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
		}
		var all sync.WaitGroup
		begun := time.Now()
		for range senders {
			all.Go(func() {
				for range events / senders {
					keep(one())
				}
			})
		}
		all.Wait()
		perSecond := float64(len(took)) / time.Since(begun).Seconds()
		p50, p99 := quantiles(took)
		target("events stored, as fast as they are taken", perSecond, "/s", "≥", 2000)
		note("  with %d senders: p50 %.1f ms, p99 %.1f ms", senders, p50, p99)
		raw := rawInserts(b, 2000)
		note("  %.2f times what SQLite flushes row by row (%.0f/s)", perSecond/raw, raw)
		took = nil
		begun = time.Now()
		for i := range rate * seconds {
			due := begun.Add(time.Duration(i) * time.Second / rate)
			time.Sleep(time.Until(due))
			all.Go(func() {
				one()
				keep(time.Since(due))
			})
		}
		all.Wait()
		p50, p99 = quantiles(took)
		target("p99 at 2,000 events/s", p99, "ms", "<", 50)
		note("  p50 %.1f ms, %.0f events/s answered", p50, float64(len(took))/time.Since(begun).Seconds())
		target("memory after 20,000 events that wait", settled(s.PID()), "MB", "<", 60)
		b.ReportMetric(perSecond, "events/s")
		b.ReportMetric(p99, "p99-ms")
	}
}

// BenchmarkBuilds runs builds of one job on the dummy runner.
func BenchmarkBuilds(b *testing.B) {
	for _, c := range []struct {
		worker string
		builds int64
		want   float64
	}{{"in-process", 2000, 200}, {"process", 300, 30}} {
		b.Run(c.worker, func(b *testing.B) {
			s := start(b, hello, "--worker", c.worker)
			var n int64
			for b.Loop() {
				begun := time.Now()
				for from := n; from < n+c.builds; from += 500 {
					if err := sendBatch(b.Context(), s, from, min(from+500, n+c.builds)); err != nil {
						b.Fatal(err)
					}
				}
				n += c.builds
				for open := 1; open > 0; time.Sleep(20 * time.Millisecond) {
					var page struct{ Builds []struct{} }
					if err := s.Call(b.Context(), http.MethodGet, "/api/builds?limit=1&state=pending&state=running", nil, &page); err != nil {
						b.Fatal(err)
					}
					open = len(page.Builds)
				}
				perSecond := float64(c.builds) / time.Since(begun).Seconds()
				target("builds of one job, worker "+c.worker, perSecond, "/s", "≥", c.want)
				target("memory afterwards", settled(s.PID()), "MB", "<", 60)
				b.ReportMetric(perSecond, "builds/s")
			}
			list, err := s.Builds(b.Context(), "state=succeeded")
			if err != nil || int64(len(list)) != n {
				b.Errorf("%d builds succeeded, want %d (%v)", len(list), n, err)
			}
		})
	}
}

const stored = 100_000

// fill puts builds with a job and its log into a store.
func fill(b *testing.B, dir string) (some []string) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(dir, "data", "brigade.db"), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a benchmark
	p := brigade.NewProject("bench")
	now := time.Now().Add(-24 * time.Hour)
	var all sync.WaitGroup
	var mu sync.Mutex
	next := make(chan int)
	for range 64 {
		all.Go(func() {
			for n := range next {
				at := now.Add(time.Duration(n) * 500 * time.Millisecond)
				build := &brigade.Build{
					ID: id.New(at), ProjectID: p.ID, Project: p.Name, State: brigade.StateSucceeded, Created: at, Started: at, Ended: at, Runner: "docker", Script: hello,
					Event: brigade.Event{Provider: "github", Type: []string{"push", "pull_request"}[n%2], Key: fmt.Sprint(n), Payload: strings.Repeat("x", 500), ShortTitle: fmt.Sprint("Fix number ", n)},
				}
				if err := put(b.Context(), store, build); err != nil {
					b.Error(err)
					return
				}
				if n%1000 == 0 {
					mu.Lock()
					some = append(some, build.ID)
					mu.Unlock()
				}
			}
		})
	}
	for n := range stored {
		next <- n
	}
	close(next)
	all.Wait()
	return some
}

func put(ctx context.Context, store *sqlite.Store, build *brigade.Build) error {
	if _, err := store.CreateBuild(ctx, build); err != nil {
		return err
	}
	job := &brigade.Job{ID: "unit-" + build.ID, BuildID: build.ID, Name: "unit", State: brigade.StateSucceeded, Created: build.Created, Spec: brigade.JobSpec{Name: "unit", Tasks: []string{"make test"}}}
	if err := store.PutJob(ctx, job); err != nil {
		return err
	}
	lines := make([]brigade.LogLine, 30)
	for i := range lines {
		lines[i] = brigade.LogLine{BuildID: build.ID, JobID: job.ID, Seq: int64(i + 1), Time: build.Created, Text: fmt.Sprintf("step %d of %s", i, build.ID)}
	}
	return store.AppendLog(ctx, lines)
}

// BenchmarkLargeStore asks a server that has 100,000 builds.
func BenchmarkLargeStore(b *testing.B) {
	dir := b.TempDir()
	some := fill(b, dir)
	s := startIn(b, dir, hello)
	target("memory after the start, 100,000 builds stored", settled(s.PID()), "MB", "<", 60)
	for b.Loop() {
		for _, c := range []struct {
			name string
			path func(n int) string
		}{
			{"newest page", func(int) string { return "/api/builds" }},
			{"page in the middle", func(n int) string { return "/api/builds?before=" + some[n%len(some)] }},
			{"page of failed ones (none)", func(int) string { return "/api/builds?state=failed" }},
			{"page of a project and type", func(int) string { return "/api/builds?project=bench&type=push" }},
			{"page with a text", func(int) string { return "/api/builds?text=number+777" }},
			{"build", func(n int) string { return "/api/builds/" + some[n%len(some)] }},
			{"jobs of a build", func(n int) string { return "/api/builds/" + some[n%len(some)] + "/jobs" }},
			{"end of a log", func(n int) string { return "/api/jobs/unit-" + some[n%len(some)] + "/logs?tail=20" }},
			{"v1: builds of all projects", func(int) string { return "/v1/projects-build" }},
			{"v1: build", func(n int) string { return "/v1/build/" + some[n%len(some)] }},
		} {
			var took []time.Duration
			for n := range 200 {
				begun := time.Now()
				var answer string
				if err := s.Call(b.Context(), http.MethodGet, c.path(n), nil, &answer); err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
				took = append(took, time.Since(begun))
			}
			p50, p99 := quantiles(took)
			target(c.name+", p99", p99, "ms", "<", 20)
			note("  p50 %.1f ms", p50)
		}
		target("memory after 2,000 answers", settled(s.PID()), "MB", "<", 60)
	}
}
