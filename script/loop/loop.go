// Package loop is the event loop of one script: a single goroutine runs every
// callback, so that the JavaScript engine is only ever touched by that one.
// The package knows nothing of the engine.
package loop

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3/script/modules"
)

var _ modules.Loop = (*Loop)(nil)

// ErrStopped is what Run returns when Stop was called before the loop had
// nothing left to do.
var ErrStopped = errors.New("the event loop was stopped")

// Options configure a Loop.
type Options struct {
	// Around runs each callback; nil means to call it. It is the place for
	// what has to happen before and after every turn.
	Around func(callback func())
	// Clock stands in for the machine's; nil means that one.
	Clock Clock
}

// Clock is the time of a loop. What tests a script lets time leap to the next
// thing that happens, see script/scripttest.
type Clock interface {
	// Now is the time, never the zero one.
	Now() time.Time
	// Sleep returns when wake gets something, or at the time until unless that
	// is zero. The loop calls it when it has no callback to run; holds counts
	// what goes on outside and was promised a callback.
	Sleep(until time.Time, holds int, wake <-chan struct{})
}

// Loop runs callbacks one after another on the goroutine that calls Run.
// Order within one pass: timers that are due, by time; what was posted; then
// immediates.
type Loop struct {
	around func(func())
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // has room for one
	clock  Clock

	mu      sync.Mutex // guards the fields below
	posted  []func()
	holds   int
	stopped bool
	closed  bool

	// Only touched by the loop's goroutine.
	now        time.Time // when this pass began; zero between runs
	timers     timerHeap
	refTimers  int
	immediates []*immediate
	seq        uint64
}

type timer struct {
	at    time.Time
	seq   uint64
	f     func()
	unref bool
	early bool // set before Run
	index int  // in the heap, -1 once out of it
}

type immediate struct{ f func() }

// New returns a loop that has nothing to do yet.
func New(opts Options) *Loop {
	l := &Loop{around: opts.Around, wake: make(chan struct{}, 1), clock: opts.Clock}
	if l.clock == nil {
		l.clock = machineClock{}
	}
	if l.around == nil {
		l.around = func(f func()) { f() }
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Context ends when the loop is closed.
func (l *Loop) Context() context.Context { return l.ctx }

// Hold keeps Run from returning until release is called. Both may be called
// from any goroutine; calling release again does nothing.
func (l *Loop) Hold() (release func()) {
	l.mu.Lock()
	l.holds++
	l.mu.Unlock()
	var once sync.Once
	return func() {
		once.Do(func() {
			l.mu.Lock()
			l.holds--
			l.mu.Unlock()
			l.signal()
		})
	}
}

// Post runs f soon on the loop. It may be called from any goroutine. False
// means that the loop is closed and f will not run.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	l.signal()
	return true
}

// After runs f after d; unless unref is set the loop waits for it. d counts
// from the beginning of the pass, as in Node, or before Run from its start:
// timers that one callback sets run in the order of their times, however long
// the callback takes.
func (l *Loop) After(d time.Duration, unref bool, f func()) (stop func()) {
	l.seq++
	t := &timer{at: l.now.Add(d), seq: l.seq, f: f, unref: unref, early: l.now.IsZero()}
	heap.Push(&l.timers, t)
	if !unref {
		l.refTimers++
	}
	return func() {
		if t.index >= 0 {
			heap.Remove(&l.timers, t.index)
			l.forget(t)
		}
	}
}

func (l *Loop) forget(t *timer) {
	if !t.unref {
		l.refTimers--
	}
}

// Immediate runs f after the timers and posted callbacks of this pass.
func (l *Loop) Immediate(f func()) (stop func()) {
	i := &immediate{f: f}
	l.immediates = append(l.immediates, i)
	return func() { i.f = nil }
}

// Stop makes Run return as soon as the callback that runs now is over. It may
// be called from any goroutine, and before Run.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.signal()
}

// Close ends the loop for good: its context ends and Post refuses.
func (l *Loop) Close() {
	l.mu.Lock()
	l.closed, l.posted = true, nil
	l.mu.Unlock()
	l.cancel()
}

// Run runs callbacks until nothing is left that could bring another one: nil.
// It may be called again after more was scheduled. After Stop it returns
// ErrStopped.
func (l *Loop) Run() error {
	l.startTimers()
	defer func() { l.now = time.Time{} }()
	for {
		l.now = l.clock.Now()
		if l.isStopped() {
			return ErrStopped
		}
		l.runTimers()
		l.runPosted()
		l.runImmediates()
		busy, idle, holds := l.state()
		if idle {
			return nil
		}
		if !busy {
			l.sleep(holds)
		}
	}
}

// Idle reports whether nothing is left that could bring another callback. Only
// for the loop's goroutine.
func (l *Loop) Idle() bool {
	_, idle, _ := l.state()
	return idle
}

func (l *Loop) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// state reports whether callbacks can run right now, and whether none will
// ever run again; holds counts what goes on outside.
func (l *Loop) state() (busy, idle bool, holds int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	busy = len(l.posted) > 0 || len(l.immediates) > 0 || l.stopped
	idle = !busy && l.holds == 0 && l.refTimers == 0
	return busy, idle, l.holds
}

// startTimers lets the timers that were set before Run begin to count: until
// then they hold how long they wait, from the zero time on.
func (l *Loop) startTimers() {
	now := l.clock.Now()
	for _, t := range l.timers {
		if t.early {
			t.at, t.early = now.Add(t.at.Sub(time.Time{})), false
		}
	}
	heap.Init(&l.timers)
}

func (l *Loop) runTimers() {
	if len(l.timers) == 0 {
		return
	}
	now, last := l.now, l.seq // a timer that is set meanwhile waits for the next pass
	for len(l.timers) > 0 && !l.timers[0].at.After(now) && l.timers[0].seq <= last && !l.isStopped() {
		t := heap.Pop(&l.timers).(*timer)
		l.forget(t)
		l.around(t.f)
	}
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	due := l.posted
	l.posted = nil
	l.mu.Unlock()
	for i, f := range due {
		if l.isStopped() {
			l.mu.Lock()
			l.posted = append(due[i:], l.posted...)
			l.mu.Unlock()
			return
		}
		l.around(f)
	}
}

func (l *Loop) runImmediates() {
	due := l.immediates
	l.immediates = nil
	for n, i := range due {
		if l.isStopped() {
			l.immediates = append(due[n:], l.immediates...)
			return
		}
		if f := i.f; f != nil {
			i.f = nil
			l.around(f)
		}
	}
}

// sleep waits for the next timer or for somebody to call signal.
func (l *Loop) sleep(holds int) {
	var until time.Time
	if len(l.timers) > 0 {
		until = l.timers[0].at
	}
	l.clock.Sleep(until, holds, l.wake)
}

// machineClock is the time of the machine.
type machineClock struct{}

// Now is the time.
func (machineClock) Now() time.Time { return time.Now() }

// Sleep waits for real.
func (machineClock) Sleep(until time.Time, _ int, wake <-chan struct{}) {
	if until.IsZero() {
		<-wake
		return
	}
	d := time.Until(until)
	if d <= 0 {
		return
	}
	alarm := time.NewTimer(d)
	defer alarm.Stop()
	select {
	case <-wake:
	case <-alarm.C:
	}
}

func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// timerHeap is ordered by time, and by age among equals.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
