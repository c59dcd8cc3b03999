package loop

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestOrderWithinAPass(t *testing.T) {
	var got []string
	add := func(s string) func() { return func() { got = append(got, s) } }
	l := New(Options{})
	l.Immediate(add("immediate"))
	l.Post(add("posted"))
	l.After(0, false, add("timer 1"))
	l.After(0, false, add("timer 2"))
	l.After(time.Millisecond, false, add("later"))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	want := []string{"timer 1", "timer 2", "posted", "immediate", "later"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRunReturnsWhenOnlyUnrefTimersAreLeft(t *testing.T) {
	l := New(Options{})
	l.After(time.Hour, true, func() { t.Error("an unref timer ran") })
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestHoldKeepsTheLoopAlive(t *testing.T) {
	l := New(Options{})
	release, ran := l.Hold(), false
	go func() {
		l.Post(func() { ran = true })
		release()
		release() // again, without effect
	}()
	if err := l.Run(); err != nil || !ran {
		t.Errorf("err %v, ran %v", err, ran)
	}
}

func TestStoppedTimersAndImmediatesAreForgotten(t *testing.T) {
	l := New(Options{})
	fail := func() { t.Error("it ran though it was stopped") }
	var stops []func()
	l.After(0, false, func() {
		for _, stop := range stops {
			stop()
			stop()
		}
	})
	stops = append(stops, l.After(0, false, fail), l.After(time.Hour, false, fail), l.Immediate(fail))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestStopEndsRunAndCloseRefusesPosts(t *testing.T) {
	l := New(Options{})
	l.Hold()
	l.Post(l.Stop)
	l.Post(func() { t.Error("it ran after Stop") })
	if err := l.Run(); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	l.Close()
	if l.Post(func() {}) {
		t.Error("Post was accepted after Close")
	}
	<-l.Context().Done()
}

func TestPostFromManyGoroutines(t *testing.T) {
	const n = 50
	l, count := New(Options{}), 0
	var all sync.WaitGroup
	for range n {
		release := l.Hold()
		all.Go(func() {
			defer release()
			l.Post(func() { count++ })
		})
	}
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if count != n {
		t.Errorf("%d callbacks ran, want %d", count, n)
	}
}

func TestATimerSetByATimerWaitsForTheNextPass(t *testing.T) {
	var got []string
	l := New(Options{})
	l.After(0, false, func() {
		l.After(0, false, func() { got = append(got, "second") })
		l.Immediate(func() { got = append(got, "immediate") })
	})
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{"immediate", "second"}) {
		t.Errorf("got %v", got)
	}
}
