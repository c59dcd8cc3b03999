// Package deadline holds the time by which something that runs has to end.
package deadline

import (
	"sync"
	"time"
)

// Deadline is when something has to have ended. It is unset until the first
// Set, and never moves back. The zero value works; a Deadline is not copied.
type Deadline struct {
	mu      sync.Mutex
	at      time.Time
	hurry   bool          // a later demand made it earlier
	changed chan struct{} // closed when at changes; nil before anybody waits
}

// Set demands the end after grace, which counts as 0 when it is negative. Of
// several demands the one with the earliest end counts. first says that nobody
// had demanded it before: the caller then sees to the end.
func (d *Deadline) Set(grace time.Duration) (first bool) {
	at := time.Now().Add(max(0, grace))
	d.mu.Lock()
	defer d.mu.Unlock()
	first = d.at.IsZero()
	if !first && !at.Before(d.at) {
		return false
	}
	d.at, d.hurry = at, !first
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
	return first
}

// Passing reports whether somebody demanded the end.
func (d *Deadline) Passing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero()
}

// Left is how long it is until the deadline; negative when that has passed.
func (d *Deadline) Left() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Until(d.at)
}

// Await waits until done is closed, which it reports, or the deadline and slack
// have passed. Once somebody has demanded an earlier end, the slack is not given.
// The deadline must have been set.
func (d *Deadline) Await(done <-chan struct{}, slack time.Duration) bool {
	for {
		left, hurry, changed := d.watch()
		if hurry {
			slack = 0
		}
		timer := time.NewTimer(left + slack)
		select {
		case <-done:
			timer.Stop()
			return true
		case <-changed:
			timer.Stop()
		case <-timer.C:
			return false
		}
	}
}

// watch returns the time left, and what is closed when that changes.
func (d *Deadline) watch() (left time.Duration, hurry bool, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return time.Until(d.at), d.hurry, d.changed
}
