package dispatch

import (
	"context"
	"sync"
	"time"
)

// clock is a time limit that can be stopped for a while.
type clock struct {
	timer *time.Timer

	mu    sync.Mutex
	left  time.Duration // when the clock was last started
	began time.Time     // that was then
	holds int           // how many have stopped it
}

// withLimit returns a context that ends with cause when the time is over. stop
// is to be called in the end.
func withLimit(ctx context.Context, d time.Duration, cause error) (limited context.Context, c *clock, stop func()) {
	limited, end := context.WithCancelCause(ctx)
	c = &clock{left: d, began: time.Now()}
	c.timer = time.AfterFunc(d, func() { end(cause) })
	return limited, c, func() {
		c.timer.Stop()
		end(nil)
	}
}

// hold stops the clock until release is called. Of several who hold it all have
// to.
func (c *clock) hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds++; c.holds == 1 && c.timer.Stop() {
		c.left -= time.Since(c.began)
	}
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.holds--; c.holds == 0 {
			c.began = time.Now()
			c.timer.Reset(max(0, c.left))
		}
	})
}
