package trace

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/traceparent"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// collector takes spans, and refuses the first ones when told to.
type collector struct {
	mu     sync.Mutex
	refuse []int
	spans  []span
	path   string
	key    string
	asked  int
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	c.path, c.key = r.URL.Path, r.Header.Get("X-Key")
	if len(c.refuse) > 0 {
		w.WriteHeader(c.refuse[0])
		c.refuse = c.refuse[1:]
		return
	}
	var in struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.spans = append(c.spans, in.ResourceSpans[0].ScopeSpans[0].Spans...)
}

func start(t *testing.T, c *collector, change func(*Options)) *Exporter {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	o := Options{Endpoint: server.URL, Headers: map[string]string{"X-Key": "k"}, Every: time.Hour}
	if change != nil {
		change(&o)
	}
	x, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close(context.Background()) })
	return x
}

func TestSpans(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := &collector{refuse: []int{http.StatusServiceUnavailable}}
	x := start(t, c, nil)
	b := &brigade.Build{
		ID: "b1", Project: "acme/app", Created: epoch, State: brigade.StateRunning,
		Event:   brigade.Event{Provider: "github", Type: "push", TraceParent: parent, Revision: brigade.Revision{Ref: "refs/heads/main"}},
		History: []brigade.Step{{State: brigade.StateRunning, Time: epoch.Add(time.Second)}},
	}
	x.Watch(brigade.Change{BuildID: "b1", Build: b})
	j := &brigade.Job{ID: "j-b1", BuildID: "b1", Name: "j", Attempt: 2, State: brigade.StateFailed, Started: epoch.Add(time.Second), Ended: epoch.Add(2 * time.Second), Failure: &brigade.Error{Code: brigade.CodeJobTimeout, Message: "too slow"}}
	x.Watch(brigade.Change{BuildID: "b1", Job: j})
	x.Watch(brigade.Change{BuildID: "b1", Job: &brigade.Job{ID: "k", BuildID: "b1", State: brigade.StateSucceeded, Inherited: "b0", Started: epoch, Ended: epoch}})
	ended := *b
	ended.State, ended.Ended = brigade.StateSucceeded, epoch.Add(3*time.Second)
	x.Watch(brigade.Change{BuildID: "b1", Build: &ended})
	if err := x.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 2 || c.path != "/v1/traces" || c.key != "k" || c.asked != 2 {
		t.Fatalf("got %+v at %s with %q after %d requests", c.spans, c.path, c.key, c.asked)
	}
	job, build := c.spans[0], c.spans[1]
	if build.ParentID != "b7ad6b7169203331" || build.TraceID != "0af7651916cd43dd8448eb211c80319c" || job.TraceID != build.TraceID || job.ParentID != build.SpanID {
		t.Errorf("the spans do not hang together: %+v %+v", build, job)
	}
	if want := traceparent.Job(parent, "b1", "j-b1", 2).String(); !strings.Contains(want, job.SpanID) {
		t.Errorf("the job was told %s, its span is %s", want, job.SpanID)
	}
	if job.Status.Code != 2 || job.Status.Message != "too slow" || build.Status.Code != 1 || build.Name != "build acme/app push" {
		t.Errorf("outcomes: %+v %+v", job.Status, build)
	}
	if build.Start != "1772600767000000000" || build.End != "1772600770000000000" || len(build.Events) != 1 {
		t.Errorf("times: %s to %s, %+v", build.Start, build.End, build.Events)
	}
	if len(x.parents) != 0 {
		t.Errorf("builds that ended are remembered: %v", x.parents)
	}
}

func TestUnsampledAndForgotten(t *testing.T) {
	c := &collector{}
	asked := 0
	x := start(t, c, func(o *Options) {
		o.Build = func(_ context.Context, id string) (*brigade.Build, error) {
			asked++
			return &brigade.Build{ID: id, Event: brigade.Event{TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}}, nil
		}
	})
	for range 2 {
		x.Watch(brigade.Change{Job: &brigade.Job{ID: "j", BuildID: "b", State: brigade.StateSucceeded, Started: epoch, Ended: epoch}})
	}
	if err := x.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 0 || asked != 1 {
		t.Errorf("%d spans of a trace that is not sampled, after %d questions", len(c.spans), asked)
	}
}

func TestACollectorThatIsGoneHoldsNothingUp(t *testing.T) {
	c := &collector{refuse: []int{http.StatusBadRequest}}
	x := start(t, c, func(o *Options) { o.Queue = 2 })
	x.Watch(brigade.Change{Build: &brigade.Build{ID: "b", State: brigade.StateFailed, Created: epoch, Ended: epoch}})
	if err := x.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.Dropped() != 1 || c.asked != 1 {
		t.Errorf("a refused batch: %d dropped after %d requests", x.Dropped(), c.asked)
	}
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		x.Watch(brigade.Change{Build: &brigade.Build{ID: "b", State: brigade.StateFailed}}) // must not block
	}
	for _, bad := range []string{"", "localhost:4318", "ftp://x", "http://"} {
		if _, err := New(Options{Endpoint: bad}); err == nil {
			t.Errorf("the endpoint %q is accepted", bad)
		}
	}
}
