package term

import (
	"context"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	gather    = 200 * time.Millisecond // changes of a build within that time are told once
	gatherAll = 500 * time.Millisecond // changes of all builds
	trusted   = 2 * time.Second        // a feed that lasts that long is connected
	feedRest  = 3 * time.Second        // before a feed that broke is taken up anew
)

// teller passes on what a feed tells. Its lock keeps what it says about the
// connection in order.
type teller struct {
	mu   sync.Mutex
	live bool
	send func(feedMsg)
}

// connected tells that the feed is connected, or is not any more.
func (t *teller) connected(live bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live = live
	t.send(feedMsg{live: live, err: err})
}

// changed tells that something has changed.
func (t *teller) changed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(feedMsg{live: t.live, changed: true})
}

// follow tells of changes until ctx ends. A feed that breaks is taken up anew;
// meanwhile the data is read every now and then.
func follow(ctx context.Context, o Options, buildID string, send func(feedMsg)) {
	t := &teller{send: send}
	changed := make(chan struct{}, 1)
	every := gather
	if buildID == "" {
		every = gatherAll
	}
	go t.gather(ctx, changed, every)
	for ctx.Err() == nil {
		once := sync.OnceFunc(func() { t.connected(true, nil) })
		soon := time.AfterFunc(trusted, once)
		err := o.Feed.Watch(ctx, buildID, func(brigade.Change) {
			once()
			select {
			case changed <- struct{}{}:
			default: // it is told already
			}
		})
		if !soon.Stop() {
			once() // waits for it
		}
		if ctx.Err() != nil {
			return
		}
		t.connected(false, err)
		wait(ctx, feedRest)
	}
}

// gather tells once of many changes.
func (t *teller) gather(ctx context.Context, changed <-chan struct{}, every time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			t.changed()
			wait(ctx, every)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
