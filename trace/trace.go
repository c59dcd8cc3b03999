// Package trace tells an OpenTelemetry collector how builds and jobs went: a
// span for each, under the trace that the event came with. It speaks OTLP over
// HTTP with JSON itself: the SDK and its exporter would make the program more
// than 7 MB larger for these two kinds of spans.
//
// A span is sent when its build or job has ended. Their IDs follow from those
// of builds and jobs (internal/traceparent), so that nothing has to be kept.
package trace

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/traceparent"
)

// Options shape an Exporter. Endpoint is required.
type Options struct {
	// Endpoint is the address of the collector, such as
	// http://localhost:4318; /v1/traces is added when it has no path.
	Endpoint string
	Headers  map[string]string // for the collector, such as an API key
	// Build finds a build whose event is not known, after a restart.
	Build   func(ctx context.Context, id string) (*brigade.Build, error)
	Service string // default brigade
	Version string
	Client  *http.Client  // default one with a timeout of 10 s
	Queue   int           // spans that wait to be sent; default 4096; more are dropped
	Every   time.Duration // between sendings; default 5 s
	Log     *slog.Logger  // default none
}

// batchMost is how many spans are sent at once.
const batchMost = 512

// Exporter makes spans of changes and sends them. Close it.
type Exporter struct {
	opt     Options
	url     string
	queue   chan brigade.Change // of builds and jobs that have ended
	flush   chan chan struct{}
	dropped atomic.Int64
	stop    context.CancelFunc
	done    chan struct{}
	closing sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	parents map[string]string // traceparents of builds that have not ended
}

// New returns an Exporter at work, or an error about its options.
func New(o Options) (*Exporter, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, brigade.Errorf(brigade.CodeUsage, "the address of the trace collector is not an http address").
			WithHint("write it like http://localhost:4318")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	if o.Service == "" {
		o.Service = "brigade"
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	x := &Exporter{
		opt: o, url: u.String(), queue: make(chan brigade.Change, o.Queue), flush: make(chan chan struct{}),
		stop: stop, done: make(chan struct{}), closed: make(chan struct{}), parents: map[string]string{},
	}
	go x.run(ctx)
	return x, nil
}

// Watch takes a change. It is a brigade.Watcher and never blocks.
func (x *Exporter) Watch(c brigade.Change) {
	ended := false
	switch {
	case c.Build != nil:
		ended = c.Build.State.Ended()
		x.know(c.Build)
	case c.Job != nil:
		ended = c.Job.State.Ended()
	}
	if !ended {
		return
	}
	select {
	case <-x.closed:
	case x.queue <- c:
	default:
		x.dropped.Add(1)
	}
}

// know remembers the trace of a build until it has ended.
func (x *Exporter) know(b *brigade.Build) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.parents) < 100_000 {
		x.parents[b.ID] = b.Event.TraceParent
	}
}

// Dropped is how many spans were lost because the collector did not keep up.
func (x *Exporter) Dropped() int64 { return x.dropped.Load() }

// Flush sends what waits, or gives up when ctx ends.
func (x *Exporter) Flush(ctx context.Context) error {
	over := make(chan struct{})
	select {
	case x.flush <- over:
	case <-x.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-over:
	case <-x.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Close sends what waits, as long as ctx lasts, and stops.
func (x *Exporter) Close(ctx context.Context) error {
	x.closing.Do(func() { close(x.closed) })
	err := x.Flush(ctx)
	x.stop()
	<-x.done
	return err
}

func (x *Exporter) run(ctx context.Context) {
	defer close(x.done)
	tick := time.NewTicker(x.opt.Every)
	defer tick.Stop()
	var batch []span
	for {
		var over chan struct{}
		select {
		case <-ctx.Done():
			return
		case c := <-x.queue:
			batch = x.add(ctx, batch, c)
			if len(batch) < batchMost {
				continue
			}
		case <-tick.C:
		case over = <-x.flush:
			for len(x.queue) > 0 {
				batch = x.add(ctx, batch, <-x.queue)
			}
		}
		for len(batch) > 0 {
			n := min(len(batch), batchMost)
			if err := x.send(ctx, batch[:n]); err != nil {
				x.dropped.Add(int64(n))
				x.opt.Log.Warn("send traces", "err", err, "spans", n, "dropped", x.dropped.Load())
			}
			batch = batch[n:]
		}
		batch = nil
		if over != nil {
			close(over)
		}
	}
}

// add makes a span of a change, unless its trace is not wanted.
func (x *Exporter) add(ctx context.Context, batch []span, c brigade.Change) []span {
	var s span
	var place traceparent.Context
	if b := c.Build; b != nil {
		place = traceparent.Build(b.Event.TraceParent, b.ID)
		s = buildSpan(b, place)
	} else {
		parent := x.parent(ctx, c.Job.BuildID)
		place = traceparent.Job(parent, c.Job.BuildID, c.Job.ID, c.Job.Attempt)
		s = jobSpan(c.Job, place, traceparent.Build(parent, c.Job.BuildID))
	}
	if c.Build != nil {
		x.mu.Lock()
		delete(x.parents, c.Build.ID)
		x.mu.Unlock()
	}
	if !place.Sampled || s.Start == "" {
		return batch
	}
	return append(batch, s)
}

// parent returns the traceparent that the build's event came with.
func (x *Exporter) parent(ctx context.Context, buildID string) string {
	x.mu.Lock()
	parent, ok := x.parents[buildID]
	x.mu.Unlock()
	if ok || x.opt.Build == nil {
		return parent
	}
	b, err := x.opt.Build(ctx, buildID)
	if err != nil {
		if !errors.Is(err, &brigade.Error{Code: brigade.CodeNotFound}) {
			x.opt.Log.Warn("find the trace of a build", "build", buildID, "err", err)
		}
		return ""
	}
	x.know(b)
	return b.Event.TraceParent
}
