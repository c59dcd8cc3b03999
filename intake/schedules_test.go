package intake

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/cron"
)

func scheduled(list ...brigade.Schedule) func(*brigade.Project) {
	return func(p *brigade.Project) { p.Schedules = list }
}

// step makes one step and returns when the next is due.
func (w *world) step(t testing.TB, s *Schedules) time.Time {
	t.Helper()
	next, err := s.step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// ticks are the due times of the builds that were started, as clock times.
func (w *world) ticks(t testing.TB, p *brigade.Project) string {
	t.Helper()
	var list []string
	for _, b := range w.builds(t, p) {
		at, err := time.Parse(time.RFC3339, b.Event.Key[len(b.Event.Key)-len("2006-01-02T15:04:05Z"):])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, at.Format("15:04"))
	}
	return strings.Join(list, " ")
}

func TestScheduleStartsBuilds(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "often", Cron: "*/10 * * * *", Event: "tick", Payload: "{}", Ref: "main"}))
	s := NewSchedules(w.Intake)
	w.clock.set(start.Add(3 * time.Minute))
	if next := w.step(t, s); !next.Equal(start.Add(10 * time.Minute)) {
		t.Errorf("next at %v", next)
	}
	if n := len(w.builds(t, p)); n != 0 {
		t.Fatalf("%d builds at once", n)
	}
	for range 3 {
		next := w.step(t, s)
		w.clock.set(next)
		w.step(t, s)
		w.step(t, s)
	}
	if got := w.ticks(t, p); got != "10:10 10:20 10:30" {
		t.Errorf("started at %s", got)
	}
	b := w.get(t, w.builds(t, p)[0].ID)
	if e := b.Event; e.Provider != "cron" || e.Type != "tick" || e.Payload != "{}" || e.Revision.Ref != "main" || e.Actor != "schedule often" ||
		e.Key != "cron:"+p.ID+":often:2026-03-01T10:10:00Z" {
		t.Errorf("%+v", e)
	}
}

// Each case: ten minutes apart, the server is down from 10:05 to 10:45:30.
func TestCatchUp(t *testing.T) {
	for policy, want := range map[string]string{
		"":     "10:50",
		"none": "10:50",
		"last": "10:40 10:50",
		"all":  "10:10 10:20 10:30 10:40 10:50",
	} {
		w := newWorld(t, nil)
		p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "often", Cron: "*/10 * * * *", CatchUp: policy}))
		w.step(t, NewSchedules(w.Intake))
		w.clock.set(start.Add(5 * time.Minute))
		w.step(t, NewSchedules(w.Intake))
		w.clock.set(start.Add(45*time.Minute + 30*time.Second))
		s := NewSchedules(w.Intake) // after a restart
		w.step(t, s)
		w.step(t, s)
		w.clock.set(start.Add(50*time.Minute + 40*time.Second)) // somewhat late is not missed
		w.step(t, NewSchedules(w.Intake))
		if got := w.ticks(t, p); got != want {
			t.Errorf("%q: %s, want %s", policy, got, want)
		}
	}
}

// However long it was down, only so many are caught up, the latest.
func TestCatchUpIsBounded(t *testing.T) {
	for _, text := range []string{"* * * * *", "*/7 3 * * *", "* * 1 1 *"} {
		w := newWorld(t, nil)
		p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "s", Cron: text, CatchUp: "all"}))
		w.step(t, NewSchedules(w.Intake))
		w.clock.set(start.AddDate(10, 0, 0))
		begun := time.Now()
		w.step(t, NewSchedules(w.Intake))
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %v", text, took)
		}
		all := w.builds(t, p)
		spec, _ := cron.Parse(text, "")
		last := all[len(all)-1].Event.Key
		at, _ := time.Parse(time.RFC3339, last[len(last)-20:])
		if len(all) != maxCatchUp || !spec.Next(at).After(w.clock.now()) {
			t.Errorf("%s: %d builds, the last for %v", text, len(all), at)
		}
	}
}

func TestTheClockIsSet(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "often", Cron: "*/10 * * * *", CatchUp: "all"}))
	s := NewSchedules(w.Intake)
	w.step(t, s)
	w.clock.set(start.Add(20 * time.Minute))
	w.step(t, s)
	// Back by ten minutes and a bit: 10:10 and 10:20 come again and start nothing.
	w.clock.set(start.Add(9 * time.Minute))
	if next := w.step(t, s); !next.Equal(start.Add(10 * time.Minute)) {
		t.Errorf("next at %v", next)
	}
	for minute := 10; minute <= 30; minute++ {
		w.clock.set(start.Add(time.Duration(minute) * time.Minute))
		w.step(t, s)
	}
	if got := w.ticks(t, p); got != "10:10 10:20 10:30" {
		t.Errorf("started at %s", got)
	}
	// Years ahead by mistake, and back: it goes on.
	w.clock.set(start.AddDate(4, 0, 0))
	s = NewSchedules(w.Intake)
	w.step(t, s)
	before := len(w.builds(t, p))
	w.clock.set(start.Add(35 * time.Minute))
	w.step(t, s)
	w.clock.set(start.Add(40 * time.Minute))
	w.step(t, s)
	if n := len(w.builds(t, p)); n != before+1 {
		t.Errorf("%d builds after the clock came back, want %d", n, before+1)
	}
}

// Two servers with one store, of which both are awake, start each once.
func TestTwoServers(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "often", Cron: "* * * * *"}, brigade.Schedule{Name: "too", Cron: "* * * * *"}))
	servers := []*Schedules{NewSchedules(w.Intake), NewSchedules(w.Intake), NewSchedules(w.Intake)}
	for n := range 11 {
		w.clock.set(start.Add(time.Duration(n) * time.Minute))
		var wg sync.WaitGroup
		for _, s := range servers {
			wg.Go(func() {
				if _, err := s.step(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if n := len(w.builds(t, p)); n != 20 {
		t.Errorf("%d builds, want 20", n)
	}
}

func TestPausedAndChangedSchedules(t *testing.T) {
	w := newWorld(t, nil)
	c := brigade.Schedule{Name: "often", Cron: "*/10 * * * *", CatchUp: "all"}
	p := w.project(t, "acme/app", scheduled(c))
	s := NewSchedules(w.Intake)
	w.step(t, s)
	change := func(list ...brigade.Schedule) {
		t.Helper()
		w.project(t, "acme/app", scheduled(list...))
		w.step(t, s)
	}
	paused := c
	paused.Paused = true
	change(paused)
	w.clock.set(start.Add(25 * time.Minute))
	if next := w.step(t, s); !next.IsZero() {
		t.Errorf("a paused one is due at %v", next)
	}
	change(c) // what was missed in the pause stays so
	w.clock.set(start.Add(30 * time.Minute))
	w.step(t, s)
	if got := w.ticks(t, p); got != "10:30" {
		t.Errorf("after a pause: %s", got)
	}
	c.Cron = "*/3 * * * *"
	change(c) // 10:03 … are not missed ones
	if got := w.ticks(t, p); got != "10:30" {
		t.Errorf("after a change: %s", got)
	}
	change() // gone, and with it the mark
	if list, _ := w.store.ListRecords(t.Context(), ScheduleKind, brigade.RecordQuery{}); len(list) != 0 {
		t.Errorf("marks are left: %v", list)
	}
	w.clock.set(start.Add(2 * time.Hour))
	change(c)
	if got := w.ticks(t, p); got != "10:30" {
		t.Errorf("after it came back: %s", got)
	}
	// Gone while the server was down.
	w.project(t, "acme/app", scheduled())
	w.step(t, NewSchedules(w.Intake))
	if list, _ := w.store.ListRecords(t.Context(), ScheduleKind, brigade.RecordQuery{}); len(list) != 0 {
		t.Errorf("marks are left: %v", list)
	}
}

// What could not be stored when it was due is stored later, however late.
func TestScheduleWithAFailingStore(t *testing.T) {
	for _, policy := range []string{"none", "last", "all"} {
		f := &failing{}
		w := newWorld(t, withFailing(f))
		p := w.project(t, "acme/app", scheduled(brigade.Schedule{Name: "often", Cron: "*/10 * * * *", CatchUp: policy}))
		s := NewSchedules(w.Intake)
		w.step(t, s)
		f.fail(errDisk, 0)
		for minute := 10; minute < 25; minute++ {
			w.clock.set(start.Add(time.Duration(minute) * time.Minute))
			if _, err := s.step(t.Context()); err == nil {
				t.Fatal("it should fail")
			}
		}
		f.fail(nil, 0)
		w.step(t, s)
		if got := w.ticks(t, p); got != "10:10 10:20" {
			t.Errorf("%s: %s", policy, got)
		}
	}
}

func TestJitter(t *testing.T) {
	w := newWorld(t, nil)
	hour := brigade.Duration(time.Hour)
	var list []brigade.Schedule
	for n := range 50 {
		list = append(list, brigade.Schedule{Name: fmt.Sprint("s", n), Cron: "@daily", Jitter: hour})
	}
	p := w.project(t, "acme/app", scheduled(list...))
	early := 0
	for i := range p.Schedules {
		j := jitterOf(p, &p.Schedules[i])
		if j < 0 || j >= time.Hour || j != jitterOf(p, &p.Schedules[i]) {
			t.Errorf("jitter %v", j)
		}
		if j < 30*time.Minute {
			early++
		}
	}
	if early < 10 || early > 40 {
		t.Errorf("%d of 50 are in the first half hour", early)
	}
	s := NewSchedules(w.Intake)
	next := w.step(t, s)
	midnight := start.Add(14 * time.Hour)
	if next.Before(midnight) || next.After(midnight.Add(time.Hour)) {
		t.Errorf("next at %v", next)
	}
	w.clock.set(next.Add(-time.Millisecond))
	w.step(t, s)
	if n := len(w.builds(t, p)); n != 0 {
		t.Errorf("%d builds too early", n)
	}
	w.clock.set(next)
	w.step(t, s)
	if n := len(w.builds(t, p)); n != 1 {
		t.Errorf("%d builds at the first's time", n)
	}
	for range 60 {
		w.clock.pass(time.Minute)
		w.step(t, s)
	}
	if n := len(w.builds(t, p)); n != 50 {
		t.Errorf("%d builds an hour later", n)
	}
}

func TestNext(t *testing.T) {
	w := newWorld(t, nil)
	s := NewSchedules(w.Intake)
	p := &brigade.Project{ID: "x", Schedules: []brigade.Schedule{
		{Name: "a", Cron: "0 12 * * *"}, {Name: "b", Cron: "0 */6 * * *", TimeZone: "Asia/Kolkata"}, {Name: "off", Cron: "* * * * *", Paused: true},
	}}
	next, err := s.Next(p, 2)
	if err != nil || fmt.Sprint(next) != "map[a:[2026-03-01 12:00:00 +0000 UTC 2026-03-02 12:00:00 +0000 UTC] b:[2026-03-01 12:30:00 +0000 UTC 2026-03-01 18:30:00 +0000 UTC]]" {
		t.Error(next, err)
	}
	if next, err := s.Next(p, 0); len(next) != 0 || err != nil {
		t.Error(next, err)
	}
	p.Schedules[0].Cron = "x"
	if _, err := s.Next(p, 1); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Error(err)
	}
}

// Run wakes up by itself and when projects change.
func TestRun(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Now = time.Now })
	s := NewSchedules(w.Intake)
	w.step(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(over)
	}()
	p := brigade.NewProject("acme/app")
	p.Schedules = []brigade.Schedule{{Name: "often", Cron: "* * * * *", CatchUp: "last"}}
	spec := "* * * * * "
	old := fmt.Appendf(nil, `{"tick": %q, "spec": %q}`, time.Now().Add(-time.Hour).Format(time.RFC3339), spec)
	if err := w.store.PutRecord(t.Context(), ScheduleKind, markKey(p, &p.Schedules[0]), old); err != nil {
		t.Fatal(err)
	}
	if err := w.store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.Invalidate()
	select {
	case c := <-w.changes:
		if c.Build.Event.Provider != ProviderCron {
			t.Errorf("%+v", c.Build)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing was started")
	}
	cancel()
	<-over
}
