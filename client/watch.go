package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/brigadecore/brigade/v3"
)

// WatchOptions say what to watch. The zero value is every build that the
// token may see.
type WatchOptions struct {
	Project string // only builds of this project
	BuildID string // only this build; the whole ID
	Logs    bool   // lines of logs, too; with BuildID only
	// Synced is called when the changes so far have told how things are, at
	// the beginning and each time the stream was cut off meanwhile. What
	// happened while it was cut off is told as a state, not as changes; lines
	// of that time are not sent. Its error ends the watch.
	Synced func() error
}

// Watch calls f with how things are now and then with every change, in order,
// until f returns an error, which is returned, or ctx ends.
func (c *Client) Watch(ctx context.Context, o WatchOptions, f func(brigade.Change) error) error {
	q := url.Values{}
	if o.Project != "" {
		q.Set("project", o.Project)
	}
	if o.BuildID != "" {
		q.Set("build", o.BuildID)
	}
	if o.Logs {
		q.Set("logs", "true")
	}
	return c.stream(ctx, []string{"api", "watch"}, q, func(e sent) error {
		switch e.name {
		case "synced":
			if o.Synced != nil {
				return o.Synced()
			}
		case "build", "job", "fired", "notice", "lines":
			var change brigade.Change
			if err := json.Unmarshal(e.data, &change); err != nil {
				return c.broken(err).err
			}
			return f(change)
		}
		return nil
	})
}

// FollowBuild tells watch everything about a build: what happened so far, and
// what happens until it has ended, every line of every log once and in order.
// It returns the build as it ended. The watcher must not block for long.
func (c *Client) FollowBuild(ctx context.Context, id string, watch brigade.Watcher) (*brigade.Build, error) {
	b, err := c.lightBuild(ctx, id)
	if err != nil {
		return nil, err
	}
	f := NewFollower(light{c}, b.ID, watch)
	until := func() error {
		ended, err := f.CatchUp(ctx)
		if err == nil && ended {
			err = errDone
		}
		return again(err)
	}
	err = c.Watch(ctx, WatchOptions{BuildID: b.ID, Logs: true, Synced: until}, func(change brigade.Change) error {
		if err := f.Take(ctx, change); err != nil {
			return again(err)
		}
		if change.Build != nil && change.Build.State.Ended() {
			return until()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f.Build(), nil
}

// again has the stream taken up anew when the server could not be reached.
func again(err error) error {
	if brigade.CodeOf(err) == brigade.CodeUnavailable {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// light reads builds without what may be large.
type light struct{ *Client }

// Build finds a build by its ID.
func (l light) Build(ctx context.Context, id string) (*brigade.Build, error) {
	return l.lightBuild(ctx, id)
}
