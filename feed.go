package brigade

import (
	"context"
	"time"
)

// Change is something that watchers of builds are told. Exactly one of the
// pointers and Lines is set. The values are shared: do not change them.
type Change struct {
	Time    time.Time  `json:"time"`
	BuildID string     `json:"buildID"`
	Build   *Build     `json:"build,omitempty"`  // its state changed
	Job     *Job       `json:"job,omitempty"`    // its state changed
	Fired   *Lifecycle `json:"fired,omitempty"`  // an event was fired in the script
	Notice  string     `json:"notice,omitempty"` // what is going on, for people: "pulling alpine:3.20 (41%)"
	JobID   string     `json:"jobID,omitempty"`  // whose Notice it is; empty: the build's
	Lines   []LogLine  `json:"lines,omitempty"`  // of one log
}

// Watcher is told of every change, one after another, in order. It must not
// block for long: who started the build waits for it.
type Watcher func(Change)

// Feed passes changes on.
type Feed interface {
	// Publish hands c to every subscriber. It never blocks for long.
	Publish(c Change)
	// Subscribe returns changes of that build ("" for all) from now on, until
	// ctx ends; then the channel is closed. A subscriber that does not keep up
	// loses its channel (it is closed early) and starts again from the store.
	Subscribe(ctx context.Context, buildID string) <-chan Change
}
