package metrics

import (
	"context"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/memory"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestLifeOfABuild(t *testing.T) {
	now := epoch.Add(10 * time.Second)
	m := New(Options{Version: "v9", Now: func() time.Time { return now }})
	b := brigade.Build{ID: "b", Created: epoch, State: brigade.StatePending}
	change := func(state brigade.State, set func(*brigade.Build)) {
		b.State = state
		if set != nil {
			set(&b)
		}
		c := b
		m.Watch(brigade.Change{BuildID: "b", Build: &c})
	}
	want := func(lines ...string) {
		t.Helper()
		text := scrape(m)
		for _, line := range lines {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("no line %q in\n%s", line, brigadeLines(text))
			}
		}
	}
	change(brigade.StatePending, nil)
	want(`brigade_builds{state="pending"} 1`, `brigade_queue_oldest_seconds 10`, `brigade_info{version="v9"} 1`)
	change(brigade.StateRunning, func(b *brigade.Build) { b.Started, b.Attempt = epoch.Add(2*time.Second), 1 })
	change(brigade.StateRunning, nil) // again: counted once
	want(`brigade_builds{state="pending"} 0`, `brigade_builds{state="running"} 1`, `brigade_queue_wait_seconds_sum 2`, `brigade_queue_wait_seconds_count 1`)
	j := brigade.Job{ID: "j-b", BuildID: "b", State: brigade.StatePulling}
	job := func(j brigade.Job) { m.Watch(brigade.Change{BuildID: "b", Job: &j}) }
	job(j)
	want(`brigade_jobs{state="pulling"} 1`)
	j.State, j.Started = brigade.StateRunning, epoch.Add(3*time.Second)
	job(j)
	want(`brigade_event_to_first_job_seconds_sum 3`)
	j.State, j.Ended = brigade.StateFailed, epoch.Add(7*time.Second)
	job(j)
	job(brigade.Job{ID: "old", BuildID: "b", State: brigade.StateSucceeded, Inherited: "a"}) // did not run
	want(`brigade_jobs_total{state="failed"} 1`, `brigade_jobs_total{state="succeeded"} 0`, `brigade_job_duration_seconds_sum{state="failed"} 4`, `brigade_jobs{state="running"} 0`)
	change(brigade.StateSucceeded, func(b *brigade.Build) { b.Ended = epoch.Add(8 * time.Second) })
	want(`brigade_builds_total{state="succeeded"} 1`, `brigade_build_duration_seconds_sum{state="succeeded"} 6`, `brigade_builds{state="running"} 0`, `brigade_queue_oldest_seconds 0`)
	now = epoch.Add(time.Hour)
	change(brigade.StateSucceeded, func(b *brigade.Build) { b.Pinned = true }) // long over
	want(`brigade_builds_total{state="succeeded"} 1`)
	m.Observe(brigade.Delivery{Gateway: "github", Outcome: brigade.OutcomeRefused}, 3*time.Millisecond)
	want(`brigade_gateway_requests_total{gateway="github",outcome="refused"} 1`, `brigade_gateway_answer_seconds_count{gateway="github"} 1`)
	if n, err := strconv.Atoi(field(scrape(m), "go_goroutines")); err != nil || n < 1 {
		t.Errorf("go_goroutines %d, %v: want what the Go runtime counts", n, err)
	}
}

func TestPrime(t *testing.T) {
	store := memory.New(memory.Options{})
	for id, state := range map[string]brigade.State{"a": brigade.StatePending, "b": brigade.StateRunning, "c": brigade.StateFailed} {
		if _, err := store.CreateBuild(context.Background(), &brigade.Build{ID: id, State: state, Created: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	m := New(Options{})
	if err := m.Prime(context.Background(), store); err != nil {
		t.Fatal(err)
	}
	text := scrape(m)
	for _, line := range []string{`brigade_builds{state="pending"} 1`, `brigade_builds{state="running"} 1`} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s in\n%s", line, brigadeLines(text))
		}
	}
	m.Forget("a")
	if !strings.Contains(scrape(m), `brigade_builds{state="pending"} 0`) {
		t.Error("a deleted build is still counted")
	}
}

func scrape(m *Metrics) string {
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}

func field(text, name string) string {
	_, rest, _ := strings.Cut(text, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func brigadeLines(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "brigade_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
