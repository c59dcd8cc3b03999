package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/retention"
	"github.com/brigadecore/brigade/v3/store/memory"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// artifacts remembers what was deleted.
type artifacts struct {
	mu      sync.Mutex
	deleted []string
	fail    map[string]error
}

func (a *artifacts) DeleteArtifacts(_ context.Context, buildID string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.fail[buildID]; err != nil {
		return err
	}
	a.deleted = append(a.deleted, buildID)
	return nil
}

// bench is a store with builds that have names, and a clock that tests set.
type bench struct {
	t         *testing.T
	store     brigade.Store
	artifacts artifacts
	now       time.Time
	elapsed   time.Duration
	names     map[string]string // of builds, by ID
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, store: memory.New(memory.Options{}), now: noon, names: map[string]string{}}
}

func (b *bench) sweeper(change func(*retention.Options)) *retention.Sweeper {
	o := retention.Options{
		Store: b.store, Artifacts: &b.artifacts,
		Now: func() time.Time { return b.now }, Elapsed: func() time.Duration { return b.elapsed },
	}
	if change != nil {
		change(&o)
	}
	return retention.New(o)
}

// add stores a build of a project that ended so long ago.
func (b *bench) add(name, project string, state brigade.State, ago time.Duration, change ...func(*brigade.Build)) string {
	b.t.Helper()
	at := b.now.Add(-ago)
	build := &brigade.Build{ID: id.New(at.Add(-time.Minute)), ProjectID: brigade.ProjectID(project), Project: project, State: state, Created: at.Add(-time.Minute)}
	if state.Ended() {
		build.Ended = at
	}
	for _, c := range change {
		c(build)
	}
	if _, err := b.store.CreateBuild(b.t.Context(), build); err != nil {
		b.t.Fatal(err)
	}
	b.names[build.ID] = name
	return build.ID
}

func (b *bench) project(name string, r *brigade.Retention) {
	b.t.Helper()
	p := brigade.NewProject(name)
	p.Retention = r
	if err := b.store.PutProject(b.t.Context(), p); err != nil {
		b.t.Fatal(err)
	}
}

// left lists the names of the builds that are there, sorted.
func (b *bench) left() string {
	b.t.Helper()
	all, err := b.store.ListBuilds(b.t.Context(), brigade.BuildFilter{Limit: 1000})
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, build := range all {
		names = append(names, b.names[build.ID])
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (b *bench) sweep(s *retention.Sweeper) retention.Report {
	b.t.Helper()
	r, err := s.Sweep(b.t.Context())
	if err != nil {
		b.t.Fatalf("Sweep: %v", err)
	}
	return r
}

func retain(age, failedAge time.Duration, count int) brigade.Retention {
	return brigade.Retention{Age: brigade.Duration(age), FailedAge: brigade.Duration(failedAge), Count: count}
}

func pinned(b *brigade.Build) { b.Pinned = true }

func TestAges(t *testing.T) {
	b := newBench(t)
	b.project("global", nil)
	own := retain(2*day, 0, 0)
	b.project("short", &own)
	b.project("counts", &brigade.Retention{Count: 100}) // and the ages of the installation
	for _, p := range []string{"global", "short", "counts", "gone"} {
		for _, ago := range []time.Duration{1, 3, 8, 31} {
			for _, state := range []brigade.State{brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled, brigade.StatePending, brigade.StateRunning} {
				b.add(fmt.Sprintf("%s-%s-%d", p, state, ago), p, state, ago*day)
			}
			b.add(fmt.Sprintf("%s-pinned-%d", p, ago), p, brigade.StateSucceeded, ago*day, pinned)
		}
	}
	before := strings.Fields(b.left())
	r := b.sweep(b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 30*day, 0) }))
	left := strings.Fields(b.left())
	for _, name := range before {
		project, rest, _ := strings.Cut(name, "-")
		state, ago, _ := strings.Cut(rest, "-")
		want := true
		switch state {
		case "succeeded", "canceled":
			want = ago == "1" || ago == "3" && project != "short"
		case "failed":
			want = ago == "1" || project != "short" && ago != "31"
		}
		if slices.Contains(left, name) != want {
			t.Errorf("%s is there: %t, want %t", name, !want, want)
		}
	}
	gone := len(before) - len(left)
	if r.Builds != gone || r.Old != gone || r.Excess != 0 || r.Failed != 0 || r.More || r.Waits || len(b.artifacts.deleted) != gone {
		t.Errorf("%d builds went, %d artifacts, report %+v", gone, len(b.artifacts.deleted), r)
	}
	if again := b.sweep(b.sweeper(nil)); again.Builds != 0 || again.Kept != 3 {
		t.Errorf("without limits of the installation: %+v", again)
	}
}

func TestAgeCountsFromTheEnd(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	b.add("long", "p", brigade.StateSucceeded, 9*day, func(build *brigade.Build) { build.Ended = noon.Add(-day) })
	b.add("short", "p", brigade.StateSucceeded, 9*day)
	b.sweep(b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 0, 0) }))
	if got := b.left(); got != "long" {
		t.Errorf("left: %s", got)
	}
}

func TestCounts(t *testing.T) {
	b := newBench(t)
	b.project("two", &brigade.Retention{Count: 2})
	b.project("global", nil)
	for _, p := range []string{"two", "global", "gone"} {
		for n := range 6 {
			b.add(fmt.Sprint(p, n), p, []brigade.State{brigade.StateSucceeded, brigade.StateFailed}[n%2], time.Duration(n+1)*time.Hour)
		}
		b.add(p+"-runs", p, brigade.StateRunning, day)
		b.add(p+"-waits", p, brigade.StatePending, day)
		b.add(p+"-pinned", p, brigade.StateFailed, day, pinned)
	}
	r := b.sweep(b.sweeper(func(o *retention.Options) { o.Global = retain(0, 300*day, 4) }))
	const want = "global-pinned global-runs global-waits global0 global1 global2 global3 gone-pinned gone-runs gone-waits gone0 gone1 gone2 gone3 two-pinned two-runs two-waits two0 two1"
	if got := b.left(); got != want {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
	if r.Excess != 8 || r.Builds != 8 || r.Old != 0 {
		t.Errorf("report %+v", r)
	}
}

// TestCountsAgain looks at projects again once something new is there.
func TestCountsAgain(t *testing.T) {
	b := newBench(t)
	b.project("p", &brigade.Retention{Count: 2})
	s := b.sweeper(nil)
	pin := b.add("pinned", "p", brigade.StateSucceeded, day, pinned)
	b.sweep(s)
	for n := range 4 {
		b.add(fmt.Sprint(n), "p", brigade.StateSucceeded, time.Duration(10-n)*time.Minute)
		b.sweep(s)
	}
	if got := b.left(); got != "2 3 pinned" {
		t.Errorf("left: %s", got)
	}
	if _, err := b.store.UpdateBuild(t.Context(), pin, func(b *brigade.Build) error { b.Pinned = false; return nil }); err != nil {
		t.Fatal(err)
	}
	b.sweep(s)
	if got := b.left(); got != "2 3" {
		t.Errorf("left after it was not pinned any more: %s", got)
	}
	b.project("p", &brigade.Retention{Count: 1})
	b.sweep(s)
	if got := b.left(); got != "3" {
		t.Errorf("left after the count was changed: %s", got)
	}
}

func TestNothingToKeepTo(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	b.add("old", "p", brigade.StateSucceeded, 9999*day)
	b.add("gone", "gone", brigade.StateSucceeded, 9999*day)
	if r := b.sweep(b.sweeper(nil)); r.Builds != 0 || b.left() != "gone old" {
		t.Errorf("without limits %+v", r)
	}
}

// TestResultsThatAreTakenOver keeps a build that a waiting one inherits from.
func TestResultsThatAreTakenOver(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	first := b.add("first", "p", brigade.StateFailed, 9*day)
	other := b.add("other", "p", brigade.StateFailed, 9*day)
	b.add("rerun", "p", brigade.StatePending, 0, func(build *brigade.Build) { build.RerunOf, build.Inherit = first, true })
	b.add("anew", "p", brigade.StatePending, 0, func(build *brigade.Build) { build.RerunOf = other })
	s := b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 0, 0) })
	if r := b.sweep(s); b.left() != "anew first rerun" || r.Kept != 1 {
		t.Errorf("left: %s, %+v", b.left(), r)
	}
}

func TestBoundedWork(t *testing.T) {
	b := newBench(t)
	for p := range 3 {
		b.project(fmt.Sprint("p", p), nil)
		for n := range 250 {
			b.add("x", fmt.Sprint("p", p), brigade.StateSucceeded, 9*day+time.Duration(n)*time.Minute)
		}
	}
	s := b.sweeper(func(o *retention.Options) { o.Global, o.Most = retain(7*day, 0, 0), 300 })
	var deleted []int
	for range 4 {
		r := b.sweep(s)
		deleted = append(deleted, r.Builds)
		if r.More != (len(deleted) < 3) {
			t.Errorf("after %v more is %t", deleted, r.More)
		}
	}
	if !slices.Equal(deleted, []int{300, 300, 150, 0}) {
		t.Errorf("deleted %v", deleted)
	}
}

// TestManyOrphans finds builds of deleted projects though a sweep looks at some
// thousands of builds only.
func TestManyOrphans(t *testing.T) {
	b := newBench(t)
	b.project("keeps", &brigade.Retention{Age: brigade.Duration(9999 * day)})
	b.add("orphan", "gone", brigade.StateSucceeded, 99*day)
	for n := range 5000 {
		b.add("kept", "keeps", brigade.StateSucceeded, 9*day+time.Duration(n)*time.Minute)
	}
	s := b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 0, 0) })
	if r := b.sweep(s); r.Builds != 0 {
		t.Errorf("the first sweep found it already: %+v", r)
	}
	if r := b.sweep(s); r.Builds != 1 {
		t.Errorf("the second sweep did not find it: %+v", r)
	}
	if r := b.sweep(s); r.Builds != 0 {
		t.Errorf("the third sweep: %+v", r)
	}
}

func TestFailuresDoNotStopTheSweep(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	bad := b.add("bad", "p", brigade.StateSucceeded, 9*day)
	b.add("good", "p", brigade.StateSucceeded, 9*day)
	trouble := errors.New("the bucket is away")
	b.artifacts.fail = map[string]error{bad: trouble}
	s := b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 0, 0) })
	r, err := s.Sweep(t.Context())
	if !errors.Is(err, trouble) || r.Builds != 1 || r.Failed != 1 || b.left() != "bad" {
		t.Errorf("%v, %+v, left %s", err, r, b.left())
	}
	b.artifacts.fail = nil
	if r := b.sweep(s); r.Builds != 1 || b.left() != "" {
		t.Errorf("%+v, left %s", r, b.left())
	}
}

func TestClockJumps(t *testing.T) {
	b := newBench(t)
	b.project("p", &brigade.Retention{Count: 3})
	for n := range 4 {
		b.add(fmt.Sprint(n), "p", brigade.StateSucceeded, time.Duration(n)*time.Hour)
	}
	s := b.sweeper(func(o *retention.Options) {
		o.Global, o.Records = retain(7*day, 0, 0), map[string]time.Duration{"audit": 7 * day}
	})
	if err := b.store.PutRecord(t.Context(), "audit", id.New(b.now), nil); err != nil {
		t.Fatal(err)
	}
	pass := func(real, shown time.Duration) retention.Report {
		t.Helper()
		b.elapsed += real
		b.now = b.now.Add(shown)
		return b.sweep(s)
	}
	if r := b.sweep(s); r.Waits || r.Excess != 1 || b.left() != "0 1 2" {
		t.Fatalf("at first %+v, left %s", r, b.left())
	}
	b.add("3", "p", brigade.StateSucceeded, -time.Second)
	if r := pass(10*time.Minute, 365*day); !r.Waits || r.Old != 0 || r.Excess != 1 || len(r.Records) != 0 {
		t.Errorf("after a jump ahead %+v", r) // what is too many goes all the same
	}
	if r := pass(10*time.Minute, 10*time.Minute); !r.Waits || r.Builds != 0 {
		t.Errorf("soon after it %+v", r)
	}
	if r := pass(10*time.Minute, -365*day); !r.Waits || r.Builds != 0 {
		t.Errorf("when it is put right %+v", r)
	}
	if r := pass(2*time.Hour, 2*time.Hour); r.Waits || r.Builds != 0 {
		t.Errorf("later %+v", r)
	}
	if r := pass(2*time.Hour, -365*day); r.Waits || r.Builds != 0 {
		t.Errorf("after a jump back %+v", r)
	}
	if r := pass(2*time.Hour, 400*day); !r.Waits || r.Builds != 0 {
		t.Errorf("after another jump ahead %+v", r)
	}
	if r := pass(2*time.Hour, 2*time.Hour); r.Waits || r.Old != 3 || r.Records["audit"] != 1 {
		t.Errorf("when the clock stays there %+v", r)
	}
}

func TestRecords(t *testing.T) {
	b := newBench(t)
	for _, kind := range []string{"audit", brigade.KindDelivery, "token"} {
		for d := range 10 {
			if err := b.store.PutRecord(t.Context(), kind, id.New(b.now.Add(-time.Duration(d)*day)), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := b.sweep(b.sweeper(func(o *retention.Options) {
		o.Records = map[string]time.Duration{"audit": 5*day + time.Hour, brigade.KindDelivery: day + time.Hour, "none": day, "token": 0}
	}))
	if fmt.Sprint(r.Records) != "map[audit:4 delivery:8]" {
		t.Errorf("deleted %v", r.Records)
	}
	for kind, want := range map[string]int{"audit": 6, brigade.KindDelivery: 2, "token": 10} {
		if all, err := b.store.ListRecords(t.Context(), kind, brigade.RecordQuery{}); err != nil || len(all) != want {
			t.Errorf("%d of kind %s are left, want %d (%v)", len(all), kind, want, err)
		}
	}
}

// TestConcurrent sweeps twice at once while builds come, are pinned, queued
// again and deleted.
func TestConcurrent(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	var ids []string
	for n := range 600 {
		ids = append(ids, b.add("x", "p", brigade.StateSucceeded, 9*day+time.Duration(n)*time.Second))
	}
	limit := func(o *retention.Options) { o.Global = retain(7*day, 0, 0) }
	var saved sync.Map
	var wg sync.WaitGroup
	for _, s := range []*retention.Sweeper{b.sweeper(limit), b.sweeper(limit)} {
		wg.Go(func() {
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Errorf("Sweep: %v", err)
			}
		})
	}
	wg.Go(func() {
		for n, build := range ids {
			switch n % 3 {
			case 0:
				if err := b.store.DeleteBuild(t.Context(), build); err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
					t.Errorf("DeleteBuild: %v", err)
				}
			case 1:
				_, err := b.store.UpdateBuild(t.Context(), build, func(b *brigade.Build) error { b.Pinned = true; return nil })
				saved.Store(build, err == nil)
			}
		}
	})
	wg.Wait()
	b.sweep(b.sweeper(limit))
	all, err := b.store.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, build := range all {
		if pinned, _ := saved.Load(build.ID); pinned != true {
			t.Errorf("build %s is left though it is not pinned", build.ID)
		}
	}
}

func TestRunSweepsAgainAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.project("p", nil)
		for n := range 25 {
			b.add("x", "p", brigade.StateSucceeded, 9*day+time.Duration(n)*time.Second)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		s := b.sweeper(func(o *retention.Options) { o.Global, o.Most, o.Every = retain(7*day, 0, 0), 10, time.Hour })
		begun := time.Now()
		go func() {
			defer close(done)
			s.Run(ctx)
		}()
		for b.left() != "" {
			time.Sleep(time.Second) // of the test's own clock
			if time.Since(begun) > time.Minute {
				t.Fatalf("not all went within a minute, left: %s", b.left())
			}
		}
		b.add("later", "p", brigade.StateSucceeded, 9*day)
		time.Sleep(50 * time.Minute)
		if b.left() != "later" {
			t.Error("the next sweep came too soon")
		}
		time.Sleep(20 * time.Minute)
		if b.left() != "" {
			t.Error("the next sweep did not come")
		}
		cancel()
		<-done
	})
}

func TestSweepEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	b.project("p", nil)
	b.add("old", "p", brigade.StateSucceeded, 9*day)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := b.sweeper(func(o *retention.Options) { o.Global = retain(7*day, 0, 0) })
	if _, err := s.Sweep(ctx); !errors.Is(err, context.Canceled) || b.left() != "old" {
		t.Errorf("%v, left %q", err, b.left())
	}
}
