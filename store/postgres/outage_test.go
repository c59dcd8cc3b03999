package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/pgserver"
	"github.com/brigadecore/brigade/v3/store/postgres"
)

// patient waits out an outage however slow the machine is.
const patient = 3 * time.Minute

// TestOutages stops and kills the server again and again while builds are made,
// claimed, changed and logged. No call may fail, and nothing may be lost or be
// there twice.
func TestOutages(t *testing.T) {
	server := pgserver.For(t)
	s := open(t, postgres.Options{DSN: schema(t, server), Patience: patient})
	const writers, outages = 4, 4
	var (
		wg    sync.WaitGroup
		ended atomic.Bool
		made  [writers]int
		calls atomic.Int64
	)
	for w := range writers {
		wg.Go(func() {
			for !ended.Load() {
				if err := work(t, s, w, made[w]); err != nil {
					t.Errorf("writer %d, round %d: %v", w, made[w], err)
					return
				}
				made[w]++
				calls.Add(1)
			}
		})
	}
	for n := range outages {
		since := calls.Load()
		for deadline := time.Now().Add(patient); calls.Load() < since+2*writers && !t.Failed(); {
			if time.Now().After(deadline) {
				t.Error("nothing is written any more")
				break
			}
			time.Sleep(time.Millisecond) // only to look again
		}
		halt := server.Stop
		if n%2 == 1 {
			halt = server.Kill
		}
		if err := errors.Join(halt(), server.Resume()); err != nil {
			t.Fatal(err)
		}
	}
	ended.Store(true)
	wg.Wait()
	total := 0
	for w := range writers {
		total += made[w]
		for n := range made[w] {
			whole(t, s, w, n)
		}
	}
	all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
	if err != nil || len(all) != min(total, 1000) {
		t.Errorf("%d builds are there, want %d: %v", len(all), total, err)
	}
	t.Logf("%d builds over %d outages, none lost", total, outages)
}

func idOf(w, n int) string { return fmt.Sprintf("01k%d%06d", w, n) }

const updates = 3

// work does everything once that a build needs.
func work(t *testing.T, s *postgres.Store, w, n int) error {
	ctx, id := t.Context(), idOf(w, n)
	b := &brigade.Build{ID: id, ProjectID: "p", State: brigade.StatePending}
	if n%2 == 0 {
		b.Event.Key = id
	}
	got, err := s.CreateBuild(ctx, b)
	if err != nil || got.ID != id {
		return fmt.Errorf("create: %v, %w", got, err)
	}
	got, err = s.Claim(ctx, id, fmt.Sprint(w), time.Hour)
	if err != nil || got == nil || got.Attempt != 1 {
		return fmt.Errorf("claim: %+v, %w", got, err)
	}
	for range updates {
		called := 0
		_, err = s.UpdateBuild(ctx, id, func(b *brigade.Build) error {
			called++
			b.Priority++
			b.Script += "x"
			return nil
		})
		if err != nil || called != 1 {
			return fmt.Errorf("update, called %d times: %w", called, err)
		}
	}
	if err := s.PutJob(ctx, &brigade.Job{ID: "job-" + id, BuildID: id}); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	for seq := range int64(3) {
		if err := s.AppendLog(ctx, []brigade.LogLine{{BuildID: id, Seq: 2*seq + 1, Text: "a"}, {BuildID: id, Seq: 2*seq + 2, Text: "b"}}); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	if err := s.Renew(ctx, id, fmt.Sprint(w), time.Hour); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	return s.PutRecord(ctx, "audit", id, []byte(id))
}

// whole looks at what work has left.
func whole(t *testing.T, s *postgres.Store, w, n int) {
	t.Helper()
	ctx, id := t.Context(), idOf(w, n)
	b, err := s.Build(ctx, id)
	if err != nil || b.Priority != updates || len(b.Script) != updates || b.Attempt != 1 || b.Lease.Owner != fmt.Sprint(w) {
		t.Errorf("build %s: %+v, %v", id, b, err)
	}
	if _, err := s.Job(ctx, "job-"+id); err != nil {
		t.Errorf("job of %s: %v", id, err)
	}
	lines, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: id})
	if err != nil || len(lines) != 6 {
		t.Errorf("log of %s has %d lines: %v", id, len(lines), err)
	}
	for i, l := range lines {
		if l.Seq != int64(i+1) || l.Text != string("ab"[i%2]) {
			t.Errorf("log of %s, line %d: %+v", id, i, l)
		}
	}
	if data, err := s.Record(ctx, "audit", id); string(data) != id {
		t.Errorf("record of %s: %q, %v", id, data, err)
	}
}

// TestImpatience sees how a call ends that nobody answers.
func TestImpatience(t *testing.T) {
	server := pgserver.For(t)
	s := open(t, postgres.Options{DSN: schema(t, server), Patience: 50 * time.Millisecond})
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := s.CreateBuild(t.Context(), &brigade.Build{ID: "a"})
	refused(t, err, brigade.CodeStore, "cannot write to the database", "PostgreSQL runs")
	_, err = s.ListProjects(t.Context())
	refused(t, err, brigade.CodeStore, "cannot read from the database", "PostgreSQL runs")
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateBuild(t.Context(), &brigade.Build{ID: "a"}); err != nil {
		t.Errorf("after the server is back: %v", err)
	}
}
