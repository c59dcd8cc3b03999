// Package tables is what stores with tables share: how a build is split into
// columns, a document and what may be large; how times and documents are
// written down; and how lines of a log become rows.
package tables

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// The kinds of large things of a build: their places in Large.
const (
	Payload = iota
	EventScript
	Config
	Script
	LargeKinds
)

// Large holds what of a build may be large.
type Large [LargeKinds]string

// Nanos is t as it stands in a store, in nanoseconds since 1970; 0 for the zero
// time. Times that do not fit, before 1678 and after 2262, become the nearest
// that does.
func Nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Time is the reverse of Nanos, in UTC.
func Time(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// NotBefore is b's NotBefore for the queue: 0 unless b is pending, because it
// means nothing once b runs.
func NotBefore(b *brigade.Build) int64 {
	if b.State != brigade.StatePending {
		return 0
	}
	return Nanos(b.NotBefore)
}

// Split returns b without what is kept outside of its document, which is its
// lease and what may be large, and the latter.
func Split(b *brigade.Build) (brigade.Build, Large) {
	c := *b
	large := Large{c.Event.Payload, c.Event.Script, c.Event.Config, c.Script}
	c.Event.Payload, c.Event.Script, c.Event.Config, c.Script = "", "", "", ""
	c.Lease = brigade.Lease{}
	return c, large
}

// Join is the reverse of Split.
func Join(b *brigade.Build, large Large, owner string, lease int64) {
	b.Event.Payload, b.Event.Script, b.Event.Config, b.Script = large[Payload], large[EventScript], large[Config], large[Script]
	b.Lease = brigade.Lease{Owner: owner, Expires: Time(lease)}
}

// Decode reads a document.
func Decode(doc []byte, to any) error {
	if err := json.Unmarshal(doc, to); err != nil {
		return fmt.Errorf("read a document: %w", err)
	}
	return nil
}

// Encode writes a document. A value that JSON does not know, such as a function
// among a job's outputs, is the caller's mistake: CodeInvalid.
func Encode(v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeInvalid, "this cannot be stored: %w", err)
	}
	return doc, nil
}

// Change calls change, whose panic must not end the whole program or leave a
// write half done: it becomes an error. So does a change of b's ID.
func Change(change func(*brigade.Build) error, b *brigade.Build) (err error) {
	id := b.ID
	defer func() {
		if p := recover(); p != nil {
			err = brigade.Errorf(brigade.CodeInternal, "the change of build %s panicked: %v", id, p)
		}
	}()
	if err := change(b); err != nil {
		return err
	}
	if b.ID != id {
		return brigade.Errorf(brigade.CodeInvalid, "the ID of a build cannot change")
	}
	return nil
}

// CheckLog fails with CodeInvalid unless lines are of one log and numbered
// upwards from 1.
func CheckLog(lines []brigade.LogLine) error {
	for i, l := range lines {
		if l.BuildID != lines[0].BuildID || l.JobID != lines[0].JobID {
			return brigade.Errorf(brigade.CodeInvalid, "lines of several logs cannot be added at once")
		}
		if l.Seq < 1 || i > 0 && l.Seq <= lines[i-1].Seq {
			return brigade.Errorf(brigade.CodeInvalid, "log lines must be numbered 1, 2, 3 …; line %d is number %d", i, l.Seq)
		}
	}
	return nil
}
