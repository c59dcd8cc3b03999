package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

func push(key string) brigade.Event {
	return brigade.Event{Provider: "fake", Type: "push", Payload: `{"pr": 7}`, Key: key, Revision: brigade.Revision{Ref: "main"}}
}

func (w *world) submit1(t testing.TB, p *brigade.Project, e brigade.Event) *brigade.Build {
	t.Helper()
	b, _, err := w.Submit(t.Context(), Submission{Project: p, Event: e})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.pass(time.Second)
	return b
}

func (w *world) get(t testing.TB, buildID string) *brigade.Build {
	t.Helper()
	b, err := w.store.Build(t.Context(), buildID)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSubmit(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", func(p *brigade.Project) { p.Priorities = map[string]int{"push": 5} })
	b, repeat, err := w.Submit(t.Context(), Submission{Project: p, Event: push("k"), Actor: "kim", RerunOf: "01old", Inherit: true})
	if err != nil || repeat {
		t.Fatal(b, repeat, err)
	}
	got := w.get(t, b.ID)
	if at, ok := id.Time(got.ID); !ok || !at.Equal(start) || got.ID != strings.ToLower(got.ID) {
		t.Errorf("the ID is %s", got.ID)
	}
	if got.ProjectID != p.ID || got.Project != p.Name || got.State != brigade.StatePending || got.Priority != 5 || got.Event.Actor != "kim" ||
		got.RerunOf != "01old" || !got.Inherit || !got.Created.Equal(start) || len(got.History) != 1 || got.Event.Payload != `{"pr": 7}` {
		t.Errorf("it is %+v", got)
	}
	if c := <-w.changes; c.Build == nil || c.Build.ID != b.ID {
		t.Errorf("published %+v", c)
	}
	<-w.woken
	again, repeat, err := w.Submit(t.Context(), Submission{Project: p, Event: push("k")})
	if err != nil || !repeat || again.ID != b.ID {
		t.Errorf("a repeat: %v, %v, %v", again, repeat, err)
	}
	select {
	case <-w.woken:
		t.Error("a repeat wakes the dispatcher")
	default:
	}
}

func TestSubmitRefuses(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	for name, c := range map[string]struct {
		change func(*brigade.Event)
		code   brigade.Code
	}{
		"payload":  {func(e *brigade.Event) { e.Payload = strings.Repeat("x", brigade.MaxPayloadBytes+1) }, brigade.CodeTooLarge},
		"script":   {func(e *brigade.Event) { e.Script = strings.Repeat("x", brigade.MaxScriptBytes+1) }, brigade.CodeTooLarge},
		"type":     {func(e *brigade.Event) { e.Type = "" }, brigade.CodeInvalid},
		"provider": {func(e *brigade.Event) { e.Provider = "" }, brigade.CodeInvalid},
		"control":  {func(e *brigade.Event) { e.Type = "a\x1bb" }, brigade.CodeInvalid},
		"no text":  {func(e *brigade.Event) { e.Revision.Ref = "\xff" }, brigade.CodeInvalid},
		"ref":      {func(e *brigade.Event) { e.Revision.Ref = strings.Repeat("x", 2000) }, brigade.CodeInvalid},
		"also":     {func(e *brigade.Event) { e.Also = []string{""} }, brigade.CodeInvalid},
		"level":    {func(e *brigade.Event) { e.LogLevel = "LOUD" }, brigade.CodeInvalid},
	} {
		e := push("")
		c.change(&e)
		if _, _, err := w.Submit(t.Context(), Submission{Project: p, Event: e}); brigade.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := w.Submit(t.Context(), Submission{Event: push("")}); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Error(err)
	}
	if n := len(w.builds(t, nil)); n != 0 {
		t.Errorf("%d builds are stored", n)
	}
}

func TestRepeatsAtTheSameTime(t *testing.T) {
	for _, strategy := range []brigade.Strategy{"", brigade.StrategyNewestWins, brigade.StrategyReject, brigade.StrategyCancelOldest} {
		w := newWorld(t, nil)
		p := w.project(t, "acme/app", func(p *brigade.Project) {
			p.Concurrency = &brigade.Concurrency{Limit: 1000, Strategy: strategy}
		})
		ids := make([][8]string, 20)
		var wg sync.WaitGroup
		for racer := range 8 {
			wg.Go(func() {
				for n := range ids {
					b, _, err := w.Submit(t.Context(), Submission{Project: p, Event: push(fmt.Sprint("k", n))})
					if err != nil {
						t.Error(err)
						return
					}
					ids[n][racer] = b.ID
				}
			})
		}
		wg.Wait()
		for n, of := range ids {
			for _, got := range of {
				if got != of[0] {
					t.Errorf("%s: event %d was answered with %v", strategy, n, of)
					break
				}
			}
		}
		if n := len(w.builds(t, p)); n != len(ids) {
			t.Errorf("%s: %d builds", strategy, n)
		}
	}
}

// After the window a repeat is an event of its own, and still only one build
// however often it comes at that time.
func TestRepeatsAfterTheWindow(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	window := 7 * 24 * time.Hour
	first, _, err := w.submit(t.Context(), Submission{Project: p, Event: push("k")}, window)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first.ID: true}
	for range 4 {
		w.clock.pass(window + time.Second)
		for n := range 3 {
			b, repeat, err := w.submit(t.Context(), Submission{Project: p, Event: push("k")}, window)
			if err != nil || repeat != (n > 0) || repeat != seen[b.ID] {
				t.Fatalf("attempt %d: %v, %v, %v", n, b.ID, repeat, err)
			}
			seen[b.ID] = true
			w.clock.pass(time.Second)
		}
	}
	if b, repeat, _ := w.Submit(t.Context(), Submission{Project: p, Event: push("k")}); !repeat || b.ID != first.ID {
		t.Error("without a window the first build counts for ever")
	}
}

func TestConcurrencyKey(t *testing.T) {
	w := newWorld(t, nil)
	for expr, want := range map[string]string{
		"":                                   "all",
		`event.revision.ref`:                 "main",
		`"pr-" + string(payload.pr)`:         "pr-7",
		`""`:                                 "", // takes it out of the limit
		`payload.missing`:                    "unknown:push",
		`event.nothing`:                      "unknown:push",
		`"x".matches("x") ? "y" : "z"`:       "y",
		`"` + strings.Repeat("x", 300) + `"`: strings.Repeat("x", 239) + "#",
	} {
		p := w.project(t, "p"+expr, func(p *brigade.Project) { p.Concurrency = &brigade.Concurrency{Key: expr} })
		b := w.submit1(t, p, push(""))
		if got := b.ConcurrencyKey; got != want && (len(want) < 200 || !strings.HasPrefix(got, want) || len(got) > 256) {
			t.Errorf("%.30s gives %q, want %q", expr, got, want)
		}
		if failed := strings.HasPrefix(want, "unknown"); failed != (b.History[0].Note != "") {
			t.Errorf("%s: the note is %q", expr, b.History[0].Note)
		}
	}
}

func strategy(s brigade.Strategy, limit int) func(*brigade.Project) {
	return func(p *brigade.Project) {
		p.Concurrency = &brigade.Concurrency{Key: "event.revision.ref", Limit: limit, Strategy: s}
	}
}

func (w *world) run(t testing.TB, buildID string) {
	t.Helper()
	if b, err := w.memory.Claim(t.Context(), buildID, "me", time.Hour); b == nil || err != nil {
		t.Fatal(b, err)
	}
	w.change(t, buildID, func(b *brigade.Build) { b.State = brigade.StateRunning })
}

func (w *world) change(t testing.TB, buildID string, change func(*brigade.Build)) {
	t.Helper()
	if _, err := w.store.UpdateBuild(t.Context(), buildID, func(b *brigade.Build) error { change(b); return nil }); err != nil {
		t.Fatal(err)
	}
}

func (w *world) states(t testing.TB, p *brigade.Project) string {
	t.Helper()
	var list []string
	for _, b := range w.builds(t, p) {
		s := string(b.State)
		if b.Cancel != nil && !b.State.Ended() {
			s += "!"
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

func TestNewestWins(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", strategy(brigade.StrategyNewestWins, 1))
	running := w.submit1(t, p, push(""))
	w.run(t, running.ID)
	old := w.submit1(t, p, push(""))
	claimed := w.submit1(t, p, push("")) // supersedes old
	if b, err := w.memory.Claim(t.Context(), claimed.ID, "me", time.Hour); b == nil || err != nil {
		t.Fatal(err)
	}
	other := push("")
	other.Revision.Ref = "dev"
	w.submit1(t, p, other)
	newest := w.submit1(t, p, push(""))
	if got, want := w.states(t, p), "running canceled pending pending pending"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b := w.get(t, old.ID)
	if b.Failure == nil || b.Failure.Code != brigade.CodeCanceled || !strings.Contains(b.Failure.Message, claimed.ID) || b.Ended.IsZero() ||
		b.History[len(b.History)-1].State != brigade.StateCanceled {
		t.Errorf("the superseded build is %+v, %v", b, b.Failure)
	}
	w.submit1(t, p, push(""))
	if b := w.get(t, newest.ID); b.State != brigade.StateCanceled {
		t.Errorf("the one before the newest is %s", b.State)
	}
	for c := range w.changes {
		if c.BuildID == newest.ID && c.Build.State == brigade.StateCanceled {
			break // it was published
		}
	}
}

// GitHub's pull_request and pull_request:opened are two builds of one event.
// None of them makes room for the other, whatever the strategy; the next event
// makes room for itself among both.
func TestTwoNamesOfOneEvent(t *testing.T) {
	for strategyName, want := range map[brigade.Strategy]string{
		brigade.StrategyNewestWins:   "canceled canceled pending pending",
		brigade.StrategyCancelOldest: "canceled canceled pending pending",
		brigade.StrategyReject:       "pending pending canceled canceled",
	} {
		for _, more := range []string{"", "+redelivery"} {
			w := newWorld(t, nil)
			p := w.project(t, "acme/app", strategy(strategyName, 1))
			for _, delivery := range []string{"d1", "d2"} {
				for _, name := range []string{"pull_request", "pull_request:opened"} {
					e := push("github:" + delivery + ":" + name + more)
					e.Type = name
					w.submit1(t, p, e)
				}
				if got := w.states(t, p); delivery == "d1" && got != "pending pending" {
					t.Errorf("%s: the builds of one event are %s", strategyName, got)
				}
			}
			if got := w.states(t, p); got != want {
				t.Errorf("%s: %s, want %s", strategyName, got, want)
			}
		}
	}
}

func TestCancelOldest(t *testing.T) {
	var told []string
	w := newWorld(t, func(o *Options) {
		o.Cancel = func(buildID string, req brigade.CancelRequest) bool {
			told = append(told, buildID+" "+req.Reason)
			return true
		}
	})
	p := w.project(t, "acme/app", strategy(brigade.StrategyCancelOldest, 2))
	first := w.submit1(t, p, push(""))
	w.run(t, first.ID)
	second := w.submit1(t, p, push(""))
	if len(told) != 0 || w.states(t, p) != "running pending" {
		t.Fatalf("%v %s", told, w.states(t, p))
	}
	third := w.submit1(t, p, push(""))
	if len(told) != 1 || !strings.HasPrefix(told[0], first.ID) || !strings.Contains(told[0], third.ID) {
		t.Errorf("told to cancel %v", told)
	}
	if got := w.states(t, p); got != "running! pending pending" {
		t.Error(got)
	}
	w.submit1(t, p, push(""))
	if got := w.states(t, p); got != "running! canceled pending pending" {
		t.Error(got)
	}
	if b := w.get(t, second.ID); b.Failure == nil || len(told) != 1 {
		t.Errorf("%v, told %v", b.Failure, told)
	}
}

func TestReject(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", strategy(brigade.StrategyReject, 2))
	first := w.submit1(t, p, push(""))
	w.submit1(t, p, push(""))
	for len(w.woken) > 0 {
		<-w.woken
	}
	b, repeat, err := w.Submit(t.Context(), Submission{Project: p, Event: push("k")})
	if err != nil || repeat || b.State != brigade.StateCanceled || b.Failure == nil || !strings.Contains(b.Failure.Message, first.ID) || b.Failure.Hint == "" || b.Ended.IsZero() {
		t.Fatalf("%+v, %v", b, err)
	}
	if len(w.woken) > 0 {
		t.Error("a rejected build wakes the dispatcher")
	}
	if again, repeat, _ := w.Submit(t.Context(), Submission{Project: p, Event: push("k")}); !repeat || again.ID != b.ID {
		t.Error("a repeat of a rejected event is a new build")
	}
	w.change(t, first.ID, func(b *brigade.Build) { b.State = brigade.StateSucceeded })
	if b := w.submit1(t, p, push("")); b.State != brigade.StatePending {
		t.Errorf("there is room, but it is %s: %v", b.State, b.Failure)
	}
}

// Builds of before a restart, and of another process, count as well.
func TestStrategiesKnowWhatIsStored(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", strategy(brigade.StrategyReject, 2))
	for range 2 {
		b := &brigade.Build{ID: id.New(w.clock.now()), ProjectID: p.ID, State: brigade.StatePending, ConcurrencyKey: "main"}
		if _, err := w.store.CreateBuild(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if b := w.submit1(t, p, push("")); b.State != brigade.StateCanceled {
		t.Errorf("there is no room, but it is %s", b.State)
	}
	other := push("")
	other.Revision.Ref = "dev"
	if b := w.submit1(t, p, other); b.State != brigade.StatePending {
		t.Errorf("another key: %s", b.State)
	}
	b := &brigade.Build{ID: id.New(w.clock.now()), ProjectID: p.ID, State: brigade.StatePending, ConcurrencyKey: "dev"}
	if _, err := w.store.CreateBuild(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(lanesFresh + time.Second)
	if b := w.submit1(t, p, other); b.State != brigade.StateCanceled {
		t.Errorf("another process filled it, but it is %s", b.State)
	}
}

// Whatever happens at once: with newest-wins the newest is left, with reject
// as many as may, with cancel-oldest the newest ones.
func TestStrategiesAtTheSameTime(t *testing.T) {
	const many = 60
	for _, c := range []struct {
		strategy brigade.Strategy
		limit    int
		pending  int
	}{{brigade.StrategyNewestWins, 1, 1}, {brigade.StrategyReject, 3, 3}, {brigade.StrategyCancelOldest, 3, 3}} {
		w := newWorld(t, nil)
		p := w.project(t, "acme/app", strategy(c.strategy, c.limit))
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() {
				if _, _, err := w.Submit(t.Context(), Submission{Project: p, Event: push("")}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all := w.builds(t, p)
		pending := 0
		for i, b := range all {
			if b.State == brigade.StatePending {
				pending++
				if newest := i >= many-c.pending; !newest && c.strategy != brigade.StrategyReject {
					t.Errorf("%s: build %d of %d is left", c.strategy, i, many)
				}
			}
		}
		if len(all) != many || pending != c.pending {
			t.Errorf("%s: %d of %d wait, want %d of %d", c.strategy, pending, len(all), c.pending, many)
		}
	}
}

// failing is a store that fails while told to.
type failing struct {
	brigade.Builds
	mu  sync.Mutex
	err error
	n   int // fails only after so many
}

func (f *failing) fail(err error, after int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.n = err, after
}

func (f *failing) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	f.mu.Lock()
	err := f.err
	if err != nil && f.n > 0 {
		f.n--
		err = nil
	}
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Builds.CreateBuild(ctx, b)
}

var errDisk = brigade.Errorf(brigade.CodeStore, "the disk is full")

func withFailing(f *failing) func(*Options) {
	return func(o *Options) {
		p := o.Store.(parts)
		f.Builds = p.Builds
		p.Builds = f
		o.Store = p
	}
}

// A build that could not be stored takes nobody's place.
func TestAFailureLeavesNoTrace(t *testing.T) {
	f := &failing{}
	w := newWorld(t, withFailing(f))
	p := w.project(t, "acme/app", strategy(brigade.StrategyReject, 1))
	f.fail(errDisk, 0)
	for range 3 {
		if _, _, err := w.Submit(t.Context(), Submission{Project: p, Event: push("")}); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	}
	f.fail(nil, 0)
	if b := w.submit1(t, p, push("")); b.State != brigade.StatePending {
		t.Errorf("it is %s: %v", b.State, b.Failure)
	}
}
