package term

import (
	"context"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	gather   = 100 * time.Millisecond // changes within that time are told once
	trusted  = 2 * time.Second        // a feed that lasts that long is connected
	feedRest = 3 * time.Second        // before a feed that broke is taken up anew
)

// follow tells of changes until ctx ends. A feed that breaks is taken up anew;
// meanwhile the data is read every now and then.
func follow(ctx context.Context, o Options, buildID string, send func(feedMsg)) {
	changed := make(chan struct{}, 1)
	go gatherChanges(ctx, changed, send)
	for ctx.Err() == nil {
		connected := time.AfterFunc(trusted, func() { send(feedMsg{live: true}) })
		err := o.Feed.Watch(ctx, buildID, func(brigade.Change) {
			select {
			case changed <- struct{}{}:
			default: // it is told already
			}
		})
		connected.Stop()
		if ctx.Err() != nil {
			return
		}
		send(feedMsg{err: err})
		wait(ctx, feedRest)
	}
}

// gatherChanges tells once of many changes.
func gatherChanges(ctx context.Context, changed <-chan struct{}, send func(feedMsg)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			send(feedMsg{live: true, changed: true})
			wait(ctx, gather)
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
