package storetest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// over is a lease that is over as soon as the clock ticks.
const over = time.Nanosecond

// claim claims until there is something, at most a few seconds: the clock
// must tick once before a lease of a nanosecond is over.
func claim(t *testing.T, s brigade.Store, id, owner string, lease time.Duration) *brigade.Build {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		b, err := s.Claim(t.Context(), id, owner, lease)
		must(t, err)
		if b != nil || time.Now().After(deadline) {
			return b
		}
		runtime.Gosched()
	}
}

// nothing wants that there is nothing to claim.
func nothing(t *testing.T, s brigade.Store, id, why string) {
	t.Helper()
	b, err := s.Claim(t.Context(), id, "intruder", time.Hour)
	must(t, err)
	if b != nil {
		t.Errorf("%s, but %s was taken", why, b.ID)
	}
}

func testClaim(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	nothing(t, s, "", "the store is empty")
	nothing(t, s, "01knothing", "there is no such build")
	b := fullBuild(1)
	b.State, b.Attempt, b.Lease, b.Failure = brigade.StatePending, 0, brigade.Lease{}, nil // and its NotBefore is over
	create(t, s, b)
	_, err := s.Claim(ctx, "", "", time.Hour)
	wantCode(t, err, brigade.CodeInvalid)

	before := time.Now()
	got := claim(t, s, b.ID, "me", time.Hour)
	if got == nil {
		t.Fatal("a pending build was not taken")
	}
	if l := got.Lease; l.Owner != "me" || l.Expires.Before(before.Add(time.Hour)) || l.Expires.After(time.Now().Add(time.Hour)) {
		t.Errorf("the lease is %+v", l)
	}
	want := *b
	want.Attempt, want.Lease = 1, got.Lease
	same(t, "the claimed build", got, &want)
	stored, err := s.Build(ctx, b.ID)
	must(t, err)
	same(t, "the stored build", stored, &want)
	nothing(t, s, "", "the build is taken")
	nothing(t, s, b.ID, "the build is taken")

	setState(t, s, b.ID, brigade.StateRunning)
	nothing(t, s, "", "the build runs")
	must(t, s.Renew(ctx, b.ID, "me", over))
	if got = claim(t, s, "", "you", over); got == nil || got.Attempt != 2 || got.Lease.Owner != "you" || got.State != brigade.StateRunning {
		t.Errorf("a running build whose lease is over: %+v", got)
	}
	for _, ended := range []brigade.State{brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled} {
		setState(t, s, b.ID, ended)
		nothing(t, s, "", "the build has ended")
		nothing(t, s, b.ID, "the build has ended")
	}
	setState(t, s, b.ID, brigade.StatePending) // queued once more
	if got = claim(t, s, "", "again", time.Hour); got == nil || got.Attempt != 3 {
		t.Errorf("a build that was queued once more: %+v", got)
	}
}

func setState(t *testing.T, s brigade.Store, id string, state brigade.State) {
	t.Helper()
	_, err := s.UpdateBuild(t.Context(), id, func(b *brigade.Build) error {
		b.State = state
		return nil
	})
	must(t, err)
}

func testClaimOrder(t *testing.T, s brigade.Store) {
	create(t, s, build(3), build(1), build(2))
	if got := claim(t, s, build(2).ID, "me", time.Hour); got == nil || got.ID != build(2).ID {
		t.Errorf("asked for one build, got %v", got)
	}
	for _, n := range []int{1, 3} {
		if got := claim(t, s, "", "me", time.Hour); got == nil || got.ID != build(n).ID {
			t.Errorf("want the oldest, %s, got %v", build(n).ID, got)
		}
	}
	nothing(t, s, "", "all builds are taken")
}

func testClaimRace(t *testing.T, s brigade.Store) {
	const builds, owners = 60, 8
	for n := range builds {
		create(t, s, build(n))
	}
	var mu sync.Mutex
	taken := map[string]string{}
	var wg sync.WaitGroup
	for o := range owners {
		wg.Go(func() {
			owner := fmt.Sprint("owner", o)
			for {
				b, err := s.Claim(t.Context(), "", owner, time.Hour)
				if err != nil {
					t.Errorf("Claim: %v", err)
					return
				}
				if b == nil {
					return
				}
				mu.Lock()
				if other, twice := taken[b.ID]; twice || b.Lease.Owner != owner || b.Attempt != 1 {
					t.Errorf("%s was taken by %s and %s (%+v)", b.ID, other, owner, b.Lease)
				}
				taken[b.ID] = owner
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(taken) != builds {
		t.Errorf("%d of %d builds were taken", len(taken), builds)
	}
}

func testRenew(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	b := create(t, s, build(1))
	wantCode(t, s.Renew(ctx, "01knothing", "me", time.Hour), brigade.CodeNotFound)
	wantCode(t, s.Renew(ctx, b.ID, "me", time.Hour), brigade.CodeConflict)
	wantCode(t, s.Renew(ctx, b.ID, "", time.Hour), brigade.CodeConflict)
	claim(t, s, b.ID, "me", over)
	must(t, s.Renew(ctx, b.ID, "me", time.Hour)) // late, but nobody took it
	nothing(t, s, "", "the lease was renewed")
	wantCode(t, s.Renew(ctx, b.ID, "you", time.Hour), brigade.CodeConflict)
	must(t, s.Renew(ctx, b.ID, "me", over))
	if claim(t, s, b.ID, "you", time.Hour) == nil {
		t.Fatal("the lease is over, but the build was not taken")
	}
	wantCode(t, s.Renew(ctx, b.ID, "me", time.Hour), brigade.CodeConflict)
	got, err := s.Build(ctx, b.ID)
	must(t, err)
	if got.Lease.Owner != "you" || got.Attempt != 2 {
		t.Errorf("the lease is %+v, attempt %d", got.Lease, got.Attempt)
	}
}
