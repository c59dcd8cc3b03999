package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// TestSlots has many ask for few places: never are more taken than there are,
// all get one, and nobody keeps one who gave up.
func TestSlots(t *testing.T) {
	s := &slots{limit: 3}
	var used, most atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			if s.take(ctx) != nil {
				return
			}
			if n := used.Add(1); n > most.Load() {
				most.Store(n)
			}
			used.Add(-1)
			s.free()
		})
	}
	all.Wait()
	if most.Load() > 3 || s.used != 0 || len(s.waiting) != 0 {
		t.Errorf("%d at once; %d are taken in the end, %d wait", most.Load(), s.used, len(s.waiting))
	}
}

// TestOccupy counts jobs that somebody else runs with those of the dispatcher.
func TestOccupy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Dispatcher{slots: &slots{limit: 2}, projects: map[string]*slots{}}
		p := brigade.NewProject("acme/app")
		p.Limits.Jobs = 1
		ask := func(p *brigade.Project) (got chan func()) {
			got = make(chan func(), 1)
			go func() {
				release, err := d.Occupy(t.Context(), p, false)
				if err != nil {
					t.Error(err)
				}
				got <- release
			}()
			synctest.Wait()
			return got
		}
		want := func(what string, got chan func(), there bool) {
			t.Helper()
			synctest.Wait()
			if (len(got) == 1) != there {
				t.Errorf("%s: it has a place: %t, want %t", what, !there, there)
			}
		}
		var running []func()
		for range 3 { // met after a restart: more than there are places
			release, err := d.Occupy(t.Context(), nil, true)
			if err != nil {
				t.Fatal(err)
			}
			running = append(running, release)
		}
		first, second := ask(p), ask(p)
		running[0]()
		want("two of two run", first, false)
		running[1]()
		want("one of two runs", first, true)
		want("the project has one place", second, false)
		running[2]()
		want("the project still has one", second, false)
		p.Limits.Jobs = 2
		third := ask(p)
		want("the limit of the project was raised", second, true)
		want("no more than two of all", third, false)
		(<-first)()
		want("one has ended", third, true)
		p.Limits.Jobs = 0
		(<-second)()
		fourth := ask(p)
		want("there is no limit of the project any more", fourth, true)
		ctx, cancel := context.WithCancelCause(t.Context())
		over := errors.New("over")
		cancel(over)
		if _, err := d.Occupy(ctx, p, false); !errors.Is(err, over) {
			t.Errorf("nobody waits any more: %v", err)
		}
		(<-third)()
		(<-fourth)()
		if d.slots.used != 0 || d.projects[p.ID].used != 0 {
			t.Errorf("%d and %d are taken in the end", d.slots.used, d.projects[p.ID].used)
		}
	})
}

// TestClock stops a time limit while a job waits for its turn.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := errors.New("late")
		ctx, c, stop := withLimit(t.Context(), time.Minute, late)
		defer stop()
		time.Sleep(40 * time.Second)
		one, two := c.hold(), c.hold()
		time.Sleep(time.Hour)
		one()
		one() // once is enough
		time.Sleep(time.Hour)
		two()
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("the time that it was held counts")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), late) {
			t.Errorf("its time is over: %v", context.Cause(ctx))
		}
		c.hold()() // too late: nothing happens
	})
}
