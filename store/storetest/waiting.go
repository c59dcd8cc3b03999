package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// waiting lists the numbers of the builds that wait, in their order.
func waiting(t *testing.T, s brigade.Store, each, limit int) string {
	t.Helper()
	builds, err := s.Waiting(t.Context(), each, limit)
	must(t, err)
	return ids(builds)
}

// queued returns the nth build of a project and concurrency key.
func queued(n int, project, key string, priority int) *brigade.Build {
	b := build(n)
	b.ProjectID, b.ConcurrencyKey, b.Priority = project, key, priority
	return b
}

func testWaiting(t *testing.T, s brigade.Store) {
	if got := waiting(t, s, 10, 10); got != "" {
		t.Errorf("an empty store has %s waiting", got)
	}
	create(t, s,
		queued(5, "p1", "", 0), queued(1, "p1", "", 0), queued(3, "p1", "", 9), queued(2, "p1", "", -1),
		queued(4, "p1", "main", 0), queued(6, "p1", "main", 0),
		queued(7, "p2", "", 9), queued(8, "p2", "", 10), queued(9, "p2", "main", 0))
	for _, c := range []struct {
		each, limit int
		want        string
	}{
		{10, 100, "8. 3. 7. 1. 4. 5. 6. 9. 2."},
		{10, 4, "8. 3. 7. 1."},
		{1, 100, "8. 3. 4. 9."},
		{2, 100, "8. 3. 7. 1. 4. 6. 9."},
		{1, 2, "8. 3."},
		{1, 1, "8."},
		{0, 5, ""},
		{5, 0, ""},
	} {
		if got := waiting(t, s, c.each, c.limit); got != c.want {
			t.Errorf("Waiting(%d, %d) gives %s, want %s", c.each, c.limit, got, c.want)
		}
	}
	_, err := s.UpdateBuild(t.Context(), build(2).ID, func(b *brigade.Build) error {
		b.Priority, b.ConcurrencyKey = 50, "other"
		return nil
	})
	must(t, err)
	must(t, s.DeleteBuild(t.Context(), build(8).ID))
	if got := waiting(t, s, 1, 9); got != "2. 3. 7. 4. 9." {
		t.Errorf("after changes %s wait", got)
	}
}

func testWaitingReady(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	early, late := build(1), build(2)
	early.NotBefore, late.NotBefore = time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	runs := build(3) // a time to wait for means nothing once it runs
	runs.State, runs.NotBefore = brigade.StateRunning, time.Now().Add(time.Hour)
	ended := build(4)
	ended.State = brigade.StateSucceeded
	taken := build(5)
	full := fullBuild(6)
	full.State, full.Lease = brigade.StatePending, brigade.Lease{}
	create(t, s, early, late, runs, ended, taken, full)
	claim(t, s, taken.ID, "me", time.Hour)
	if got := waiting(t, s, 9, 9); got != "2. 3. 6." {
		t.Errorf("%s wait, want 2. 3. 6.", got)
	}
	got, err := s.Waiting(ctx, 9, 9)
	must(t, err)
	want := *full
	want.Event.Payload, want.Event.Script, want.Event.Config, want.Script = "", "", "", ""
	same(t, "a waiting build", got[2], &want)

	setState(t, s, taken.ID, brigade.StateRunning)
	if got := waiting(t, s, 9, 9); got != "2. 3. 6." {
		t.Errorf("%s wait although a lease goes on", got)
	}
	must(t, s.Renew(ctx, taken.ID, "me", over))
	until(t, "the lease is over", func() bool { return waiting(t, s, 9, 9) == "2. 3. 5. 6." })
	claim(t, s, late.ID, "me", time.Hour)
	setState(t, s, runs.ID, brigade.StateFailed)
	_, err = s.UpdateBuild(ctx, early.ID, func(b *brigade.Build) error {
		b.NotBefore = time.Time{}
		return nil
	})
	must(t, err)
	if got := waiting(t, s, 9, 9); got != "1. 5. 6." {
		t.Errorf("%s wait, want 1. 5. 6.", got)
	}
	_, err = s.UpdateBuild(ctx, taken.ID, func(b *brigade.Build) error { // to be tried again later
		b.State, b.NotBefore, b.Lease = brigade.StatePending, time.Now().Add(time.Hour), brigade.Lease{}
		return nil
	})
	must(t, err)
	if got := waiting(t, s, 9, 9); got != "1. 6." {
		t.Errorf("%s wait, want 1. 6.", got)
	}
	nothing(t, s, taken.ID, "it is to be tried again later")
}

// until calls ask until it is true, at most a few seconds.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ask(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// testWaitingBurst has one project with so many builds that the others are far
// from the start of the queue.
func testWaitingBurst(t *testing.T, s brigade.Store) {
	for n := range 300 {
		create(t, s, queued(n+1, "busy", "", 0))
	}
	create(t, s, queued(400, "a", "", 0), queued(401, "b", "x", 0), queued(402, "b", "", 0), queued(403, "b", "", 0), queued(404, "a", "", 7), queued(405, "c", "", -7))
	for _, c := range []struct {
		each, limit int
		want        string
	}{
		{3, 20, "404. 1. 2. 3. 400. 401. 402. 403. 405."},
		{1, 20, "404. 1. 401. 402. 405."},
		{2, 4, "404. 1. 2. 400."},
		{2, 2, "404. 1."},
	} {
		if got := waiting(t, s, c.each, c.limit); got != c.want {
			t.Errorf("Waiting(%d, %d) gives %s, want %s", c.each, c.limit, got, c.want)
		}
	}
	claim(t, s, build(400).ID, "me", time.Hour)
	claim(t, s, build(1).ID, "me", time.Hour)
	if got := waiting(t, s, 2, 9); got != "404. 2. 3. 401. 402. 403. 405." {
		t.Errorf("after two were taken %s wait", got)
	}
}

// testWaitingRace empties a queue with several owners, who look at it before
// they take a build.
func testWaitingRace(t *testing.T, s brigade.Store) {
	const builds = 60
	for n := range builds {
		create(t, s, queued(n, fmt.Sprint("p", n%3), fmt.Sprint("k", n%2), n%5))
	}
	var mu sync.Mutex
	taken := map[string]bool{}
	var wg sync.WaitGroup
	for o := range 4 {
		wg.Go(func() {
			for {
				all, err := s.Waiting(t.Context(), 2, 8)
				if err != nil || len(all) == 0 {
					if err != nil {
						t.Errorf("Waiting: %v", err)
					}
					return
				}
				for _, b := range all {
					got, err := s.Claim(t.Context(), b.ID, fmt.Sprint(o), time.Hour)
					if err != nil {
						t.Errorf("Claim: %v", err)
						return
					}
					mu.Lock()
					if got != nil && taken[b.ID] {
						t.Errorf("%s was taken twice", b.ID)
					}
					taken[b.ID] = taken[b.ID] || got != nil
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for n := range builds {
		if !taken[build(n).ID] {
			t.Errorf("%s was never taken", build(n).ID)
		}
	}
}

func testClaimNotBefore(t *testing.T, s brigade.Store) {
	early := build(1)
	early.NotBefore = time.Now().Add(time.Hour)
	create(t, s, early, build(2))
	nothing(t, s, early.ID, "its time has not come")
	if got := claim(t, s, "", "me", time.Hour); got == nil || got.ID != build(2).ID {
		t.Errorf("got %v, want the one whose time has come", got)
	}
	nothing(t, s, "", "its time has not come")
	_, err := s.UpdateBuild(t.Context(), early.ID, func(b *brigade.Build) error {
		b.NotBefore = time.Now()
		return nil
	})
	must(t, err)
	if got := claim(t, s, "", "me", time.Hour); got == nil || got.ID != early.ID {
		t.Errorf("got %v, want the one whose time has come now", got)
	}
}
