// Package feed passes changes of builds on to whoever watches: first to sinks,
// which see everything, then to subscribers, which may come and go. It keeps
// nothing: what must last is in the store before it is published.
package feed

import (
	"context"
	"sync"

	"github.com/brigadecore/brigade/v3"
)

// DefaultQueue is how many changes a subscriber may lag behind.
const DefaultQueue = 1024

// Options shape a Feed. The zero value is usable.
type Options struct {
	// Sinks are told of every change before any subscriber, one after another
	// and in order, by the goroutine that publishes it: a slow sink slows the
	// publishers. A sink must not publish, and must not close the feed.
	Sinks []brigade.Watcher
	// Queue is how many changes a subscriber may lag behind before it loses
	// its channel; 0 means DefaultQueue.
	Queue int
}

// Feed implements brigade.Feed. It has no goroutine of its own. All methods
// may be called concurrently; every watcher sees the same order.
type Feed struct {
	sinks []brigade.Watcher
	queue int

	order sync.Mutex // held while a change is handed on, so that all see one order

	mu     sync.Mutex // guards what follows
	closed bool
	subs   map[string]map[*subscriber]struct{} // by build ID; "" for all builds
}

var _ brigade.Feed = (*Feed)(nil)

type subscriber struct {
	buildID string
	ch      chan brigade.Change
	stop    func() bool // takes back the wait for the context's end
}

// New returns a feed. Close it when nothing is published any more.
func New(o Options) *Feed {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	return &Feed{
		sinks: append([]brigade.Watcher(nil), o.Sinks...),
		queue: o.Queue,
		subs:  map[string]map[*subscriber]struct{}{},
	}
}

// Publish hands c to the sinks and then to the subscribers of its build and of
// all builds. It waits for the sinks and never for a subscriber. After Close
// it does nothing.
func (f *Feed) Publish(c brigade.Change) {
	f.order.Lock()
	defer f.order.Unlock()
	if f.isClosed() {
		return
	}
	for _, sink := range f.sinks {
		sink(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fanOut(f.subs[""], c)
	if c.BuildID != "" {
		f.fanOut(f.subs[c.BuildID], c)
	}
}

func (f *Feed) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// fanOut sends c to every one of subs that has room and drops the others. The
// caller holds f.mu, which is what makes closing a channel here safe.
func (f *Feed) fanOut(subs map[*subscriber]struct{}, c brigade.Change) {
	for s := range subs {
		select {
		case s.ch <- c:
		default:
			f.drop(s)
		}
	}
}

// Subscribe returns the changes of one build ("" for all) from now on. The
// channel is closed when ctx ends, when the feed is closed, or early when the
// subscriber lags behind by more than the queue; what was queued can still be
// read from a closed channel.
func (f *Feed) Subscribe(ctx context.Context, buildID string) <-chan brigade.Change {
	s := &subscriber{buildID: buildID, ch: make(chan brigade.Change, f.queue)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || ctx.Err() != nil {
		close(s.ch)
		return s.ch
	}
	of := f.subs[buildID]
	if of == nil {
		of = map[*subscriber]struct{}{}
		f.subs[buildID] = of
	}
	of[s] = struct{}{}
	s.stop = context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(s)
	})
	return s.ch
}

// drop closes the channel of s, once. The caller holds f.mu.
func (f *Feed) drop(s *subscriber) {
	of := f.subs[s.buildID]
	if _, there := of[s]; !there {
		return
	}
	delete(of, s)
	if len(of) == 0 {
		delete(f.subs, s.buildID)
	}
	s.stop()
	close(s.ch)
}

// Close closes every subscriber's channel. Changes published later are
// dropped. It may be called more than once, and waits for a Publish under way.
func (f *Feed) Close() {
	f.order.Lock()
	defer f.order.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, of := range f.subs {
		for s := range of {
			f.drop(s)
		}
	}
}
