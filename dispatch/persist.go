package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// How often a write is repeated that the store refused.
const (
	persistFirst = 50 * time.Millisecond
	persistMost  = time.Second
)

// persist writes something down, and again while the store refuses it and
// patience lasts: what has happened cannot be undone. It gives up when the
// build is let go of.
func (r *run) persist(what string, write func() error) error {
	return r.repeat("write down "+what, write)
}

// readLog reads a log, and again while the store does not answer: in a cluster
// it may be the log of a pod.
func (r *run) readLog(q brigade.LogQuery) (lines []brigade.LogLine, err error) {
	err = r.repeat("read the log of "+cmp.Or(q.JobID, q.BuildID), func() error {
		lines, err = r.d.opt.Store.ReadLog(context.Background(), q)
		return err
	})
	return lines, err
}

// repeat does something with the store, and again as persist says.
func (r *run) repeat(doing string, do func() error) error {
	begun := time.Now()
	delay, told := persistFirst, false
	for {
		err := do()
		if err == nil {
			return nil
		}
		if !passes(err) || time.Since(begun) >= r.d.opt.Patience || r.letGo() {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if !told {
			told = true
			r.d.opt.Log.Warn("the store refuses something, it is repeated", "what", doing, "err", err)
		}
		time.Sleep(delay)
		delay = min(2*delay, persistMost)
	}
}

// passes reports whether a store that refused a write may take it later.
func passes(err error) bool {
	switch brigade.CodeOf(err) {
	case brigade.CodeStore, brigade.CodeUnavailable, brigade.CodeLimited:
		return true
	}
	return false
}

// letGo reports whether the build is not ours any more, or all is to end now.
func (r *run) letGo() bool {
	cause := context.Cause(r.over)
	return errors.Is(cause, errHandover) || brigade.CodeOf(cause) == brigade.CodeConflict || r.isKilled()
}

// roomEvery is how often a job that waits for room asks whether there is some.
const roomEvery = 500 * time.Millisecond

// recently is how long a lack of room is taken for the reason of failures.
const recently = 5 * time.Second

// hasRoom reports whether there is room for more builds.
func (d *Dispatcher) hasRoom() bool { return d.room() == nil }

// room asks whether something can be started now, and tells when that changes.
func (d *Dispatcher) room() error {
	if d.opt.Room == nil {
		return nil
	}
	err := d.opt.Room()
	d.mu.Lock()
	before := d.short
	d.short = err
	if err != nil {
		d.shortAt = time.Now()
	}
	d.mu.Unlock()
	if err != nil && before == nil {
		d.opt.Log.Warn("nothing is started for now", "err", err)
	}
	if err == nil && before != nil {
		d.opt.Log.Info("builds and jobs are started again")
	}
	return err
}

// lackedRoom reports whether there was no room a moment ago, so that what
// failed now may have failed for that.
func (d *Dispatcher) lackedRoom() bool {
	if d.room() != nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.shortAt.IsZero() && time.Since(d.shortAt) < recently
}

// awaitRoom returns once something can be started, true, or ctx ends, false.
func (d *Dispatcher) awaitRoom(ctx context.Context) bool {
	for {
		if !sleep(ctx, roomEvery) {
			return false
		}
		if d.room() == nil {
			return true
		}
	}
}

// fetchOnce gets the files of a build, and again when there was no room.
func (r *run) fetchOnce(ctx context.Context, b *brigade.Build) (Tree, error) {
	for {
		tree, err := r.d.opt.Source.Fetch(ctx, r.project, b, r.notice)
		if err == nil || !r.d.lackedRoom() || !r.d.awaitRoom(ctx) {
			return tree, err
		}
	}
}
