package report_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/gateway/forge"
	"github.com/brigadecore/brigade/v3/gateway/report"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// fake is a reporter that hands every report to the test.
type fake struct {
	told chan string
	fail func(b *brigade.Build) error
}

func (f *fake) Reports(e *brigade.Event) bool { return e.Provider == "fake" }

func (f *fake) Report(ctx context.Context, _ *brigade.Project, b *brigade.Build, jobs []*brigade.Job) error {
	if f.fail != nil {
		if err := f.fail(b); err != nil {
			return err
		}
	}
	select {
	case f.told <- fmt.Sprintf("%s %s %d", b.ID, b.State, len(jobs)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// scene is a server without the parts that do not matter here.
type scene struct {
	t     *testing.T
	store *memory.Store
	feed  *feed.Feed
	fake  *fake
	p     *brigade.Project
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, store: memory.New(memory.Options{}), feed: feed.New(feed.Options{Queue: 64}), fake: &fake{told: make(chan string)}}
	s.p = brigade.NewProject("acme/app")
	if err := s.store.PutProject(context.Background(), s.p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.feed.Close)
	return s
}

// run starts Reports and returns what ends them. Changes published after it
// are seen.
func (s *scene) run(change func(*report.Options)) (stop func()) {
	s.t.Helper()
	store := looked{s.store, make(chan struct{}, 100)}
	o := report.Options{Store: store, Feed: s.feed, Records: s.store, Reporters: []brigade.Reporter{s.fake}, Parallel: 1, Backoff: time.Millisecond}
	if change != nil {
		change(&o)
	}
	r, err := report.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-store.through
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					s.t.Error(err)
				}
			case <-time.After(60 * time.Second):
				s.t.Error("Run does not end")
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

// looked tells when somebody has looked through the builds, which Reports do
// once they have subscribed.
type looked struct {
	*memory.Store
	through chan struct{}
}

func (l looked) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	defer func() { l.through <- struct{}{} }()
	return l.Store.ListBuilds(ctx, f)
}

func (s *scene) create(id, provider string) {
	s.t.Helper()
	b := &brigade.Build{ID: id, ProjectID: s.p.ID, Project: s.p.Name, State: brigade.StatePending, Created: time.Now(), Event: brigade.Event{Provider: provider, Type: "push"}}
	if _, err := s.store.CreateBuild(context.Background(), b); err != nil {
		s.t.Fatal(err)
	}
	s.feed.Publish(brigade.Change{BuildID: id, Build: b})
}

// to gives the build a state, and publishes it unless quiet.
func (s *scene) to(id string, state brigade.State, quiet bool) {
	s.t.Helper()
	b, err := s.store.UpdateBuild(context.Background(), id, func(b *brigade.Build) error {
		b.State = state
		if state == brigade.StateRunning {
			b.Started, b.Attempt = time.Now(), b.Attempt+1
		}
		if state.Ended() {
			b.Ended = time.Now()
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if !quiet {
		s.feed.Publish(brigade.Change{BuildID: id, Build: b})
	}
}

func (s *scene) fired(id string, handled bool) {
	s.feed.Publish(brigade.Change{BuildID: id, Fired: &brigade.Lifecycle{Name: "push", Handled: handled}})
}

func (s *scene) job(id string) {
	s.t.Helper()
	j := &brigade.Job{ID: "test-" + id, BuildID: id, Name: "test", State: brigade.StateRunning}
	if err := s.store.PutJob(context.Background(), j); err != nil {
		s.t.Fatal(err)
	}
	s.feed.Publish(brigade.Change{BuildID: id, Job: j})
}

func (s *scene) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		select {
		case got := <-s.fake.told:
			if got != w {
				s.t.Fatalf("told %q, want %q", got, w)
			}
		case <-time.After(60 * time.Second):
			s.t.Fatalf("nothing is told, want %q", w)
		}
	}
}

func (s *scene) open() []string {
	s.t.Helper()
	records, err := s.store.ListRecords(context.Background(), "report", brigade.RecordQuery{})
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, r.Key)
	}
	return ids
}

func TestStartAndEndAreReported(t *testing.T) {
	s := newScene(t)
	s.run(nil)
	s.create("a", "fake")
	s.to("a", brigade.StateRunning, false)
	s.fired("a", true)
	s.expect("a running 0")
	s.job("a")
	s.to("a", brigade.StateSucceeded, false)
	s.expect("a succeeded 1")
}

// GitHub's events with an action start two builds, of which one usually has
// nothing to do: it would only be in the way.
func TestBuildsThatDoNothingAreNotReported(t *testing.T) {
	s := newScene(t)
	stop := s.run(nil)
	for _, id := range []string{"idle", "other", "superseded"} {
		provider := "fake"
		if id == "other" {
			provider = "brigade-cli"
		}
		s.create(id, provider)
		if id != "superseded" {
			s.to(id, brigade.StateRunning, false)
		}
		s.fired(id, id == "other")
	}
	s.to("idle", brigade.StateSucceeded, false)
	s.to("other", brigade.StateFailed, false)
	s.to("superseded", brigade.StateCanceled, false)
	s.create("z", "fake")
	s.to("z", brigade.StateRunning, false)
	s.job("z")
	s.expect("z running 1") // and nothing before it
	s.to("z", brigade.StateFailed, false)
	s.expect("z failed 1")
	s.create("broken", "fake")
	s.to("broken", brigade.StateFailed, false) // its files could not be fetched
	s.expect("broken failed 0")
	stop()
	if open := s.open(); len(open) > 1 || (len(open) == 1 && open[0] != "broken") { // it may be crossed out after the stop
		t.Errorf("still to be reported: %q", open)
	}
}

func TestProjectsThatWantNoReports(t *testing.T) {
	s := newScene(t)
	s.p.NoReports = true
	if err := s.store.PutProject(context.Background(), s.p); err != nil {
		t.Fatal(err)
	}
	other := brigade.NewProject("acme/other")
	if err := s.store.PutProject(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	s.run(nil)
	s.create("quiet", "fake")
	s.to("quiet", brigade.StateFailed, false)
	s.p = other
	s.create("z", "fake")
	s.to("z", brigade.StateFailed, false)
	s.expect("z failed 0")
}

func TestReportsAreTriedAgain(t *testing.T) {
	s := newScene(t)
	var mu sync.Mutex
	failures := map[string]int{}
	s.fake.fail = func(b *brigade.Build) error {
		mu.Lock()
		defer mu.Unlock()
		key := b.ID + string(b.State)
		failures[key]++
		switch {
		case b.ID == "denied" && b.State == brigade.StateRunning:
			return &forge.StatusError{Status: 403}
		case b.ID == "hopeless":
			return &forge.StatusError{Status: 500}
		case b.ID == "denied" || failures[key] > 3:
			return nil
		case failures[key] == 1:
			return &url.Error{Op: "Post", Err: errors.New("connection refused")}
		}
		return &forge.StatusError{Status: 503, After: time.Millisecond}
	}
	s.run(func(o *report.Options) { o.Attempts = 5 })
	s.create("a", "fake")
	s.to("a", brigade.StateFailed, false)
	s.expect("a failed 0")
	s.create("denied", "fake")
	s.to("denied", brigade.StateRunning, false)
	s.job("denied")
	s.create("hopeless", "fake")
	s.to("hopeless", brigade.StateFailed, false)
	s.create("b", "fake")
	s.to("b", brigade.StateFailed, false)
	s.expect("b failed 0") // four attempts, as many as of hopeless before
	s.to("denied", brigade.StateSucceeded, false)
	s.expect("denied succeeded 1") // its start could not be reported, its end can
	mu.Lock()
	defer mu.Unlock()
	if failures["afailed"] != 4 || failures["deniedrunning"] != 1 || failures["hopelessfailed"] > 5 {
		t.Errorf("attempts %v", failures)
	}
}

func TestAForgeThatHangsBlocksNobody(t *testing.T) {
	s := newScene(t)
	release := make(chan struct{})
	s.fake.fail = func(*brigade.Build) error { <-release; return nil }
	s.run(nil)
	const builds = 300 // many times the feed's queue of changes
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range builds {
			id := fmt.Sprintf("b%03d", i)
			s.create(id, "fake")
			s.to(id, brigade.StateRunning, false)
			s.job(id)
			s.to(id, brigade.StateSucceeded, false)
		}
	}()
	select {
	case <-published:
	case <-time.After(60 * time.Second):
		t.Fatal("whoever publishes has to wait")
	}
	close(release)
	ended := map[string]bool{}
	for len(ended) < builds { // even if the reports lost their channel meanwhile
		select {
		case got := <-s.fake.told:
			ended[got[:4]] = true
		case <-time.After(60 * time.Second):
			t.Fatalf("only %d of %d builds are reported", len(ended), builds)
		}
	}
}

func TestWhatARestartInterruptsIsReported(t *testing.T) {
	s := newScene(t)
	stop := s.run(nil)
	for _, id := range []string{"a", "b"} {
		s.create(id, "fake")
		s.to(id, brigade.StateRunning, false)
		s.job(id)
		s.expect(id + " running 1")
	}
	stop()
	s.to("a", brigade.StateFailed, true)
	s.create("c", "fake")
	s.to("c", brigade.StateRunning, true)
	if open := s.open(); !slices.Equal(open, []string{"b", "a"}) {
		t.Errorf("still to be reported: %q", open)
	}
	s.run(nil)
	var got []string
	for range 2 {
		select {
		case told := <-s.fake.told:
			got = append(got, told)
		case <-time.After(60 * time.Second):
			t.Fatalf("told only %q", got)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"a failed 1", "b running 1"}) {
		t.Errorf("told %q", got)
	}
	s.fired("c", true)
	s.expect("c running 0")
	s.to("b", brigade.StateSucceeded, false)
	s.expect("b succeeded 1")
}

// blind is a feed that loses its subscriber's channel once.
type blind struct {
	*feed.Feed
	mu    sync.Mutex
	first chan brigade.Change
}

func (f *blind) Subscribe(ctx context.Context, buildID string) <-chan brigade.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = make(chan brigade.Change, 8)
		return f.first
	}

	return f.Feed.Subscribe(ctx, buildID)
}

func TestMissedChangesAreLookedUp(t *testing.T) {
	s := newScene(t)
	f := &blind{Feed: s.feed}
	s.run(func(o *report.Options) { o.Feed = f })
	s.create("a", "fake")
	s.create("b", "fake")
	s.to("a", brigade.StateRunning, false)
	a, err := s.store.Build(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	f.channel() <- brigade.Change{BuildID: "a", Build: a}
	f.channel() <- brigade.Change{BuildID: "a", Fired: &brigade.Lifecycle{Name: "push", Handled: true}}
	s.expect("a running 0")
	s.to("a", brigade.StateSucceeded, true)
	s.to("b", brigade.StateRunning, true)
	s.job("b")
	s.to("b", brigade.StateSucceeded, true)
	close(f.channel())
	got := map[string]bool{}
	for len(got) < 2 {
		select {
		case told := <-s.fake.told:
			got[told] = true
		case <-time.After(60 * time.Second):
			t.Fatalf("told only %v", got)
		}
	}
	if !got["a succeeded 0"] || !got["b succeeded 1"] {
		t.Errorf("told %v", got)
	}
}

func (f *blind) channel() chan brigade.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

func TestAClosedFeedEndsRun(t *testing.T) {
	s := newScene(t)
	s.feed.Close()
	r, err := report.New(report.Options{Store: s.store, Feed: s.feed, Reporters: []brigade.Reporter{s.fake}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(context.Background()) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("Run goes on without a feed")
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	s := newScene(t)
	s.run(func(o *report.Options) { o.Queue = 2 })
	for _, id := range []string{"a", "b", "c"} {
		s.create(id, "fake")
		s.to(id, brigade.StateRunning, false)
		s.fired(id, true)
	}
	s.expect("a running 0", "b running 0")
	s.to("a", brigade.StateSucceeded, false)
	s.expect("a succeeded 0")
	s.to("b", brigade.StateSucceeded, false)
	s.expect("b succeeded 0") // c had no place
}

func TestTheEndIsReportedWhenTheStartCouldNotBe(t *testing.T) {
	s := newScene(t)
	started, release := make(chan struct{}), make(chan struct{})
	s.fake.fail = func(b *brigade.Build) error {
		if b.State != brigade.StateRunning {
			return nil
		}
		close(started)
		<-release
		return &forge.StatusError{Status: 403}
	}
	s.run(func(o *report.Options) { o.Parallel = 2 })
	s.create("a", "fake")
	s.to("a", brigade.StateRunning, false)
	s.fired("a", true)
	<-started
	s.to("a", brigade.StateSucceeded, false)
	s.create("b", "fake")
	s.to("b", brigade.StateFailed, false)
	s.expect("b failed 0") // by now the end of a has been seen, too
	close(release)
	s.expect("a succeeded 0")
}

func TestBuildsThatDoNothingTakeNoPlace(t *testing.T) {
	s := newScene(t)
	s.run(func(o *report.Options) { o.Queue = 1 })
	for i := range 10 {
		id := fmt.Sprintf("idle%d", i)
		s.create(id, "fake")
		s.to(id, brigade.StateRunning, false)
		s.to(id, brigade.StateSucceeded, false)
	}
	s.create("z", "fake")
	s.to("z", brigade.StateFailed, false)
	s.expect("z failed 0")
}
