package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/store/memory"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// world is a server's API over a store in memory, with a Control that stores
// what it is told and runs nothing.
type world struct {
	t      *testing.T
	store  *memory.Store
	feed   *feed.Feed
	server *httptest.Server
	front  func(http.Handler) http.Handler // what stands before the API
	admin  string                          // token

	mu       sync.Mutex
	canceled []string
	requests []*http.Request
}

func (w *world) Submit(ctx context.Context, p *brigade.Project, e brigade.Event, s brigade.Submission) (*brigade.Build, bool, error) {
	b := &brigade.Build{ID: id.New(time.Now()), ProjectID: p.ID, Project: p.Name, Event: e, State: brigade.StatePending, Created: epoch, RerunOf: s.RerunOf, Inherit: s.Inherit}
	stored, err := w.store.CreateBuild(ctx, b)
	if err != nil {
		return nil, false, err
	}
	return stored, stored.ID != b.ID, nil
}

func (w *world) Cancel(ctx context.Context, buildID string, req brigade.CancelRequest) error {
	_, err := w.store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error { b.Cancel = &req; return nil })
	return err
}

func (w *world) CancelJob(_ context.Context, _, jobID string, _ brigade.CancelRequest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canceled = append(w.canceled, jobID)
	return nil
}

func (w *world) WaitsFor(string) string { return "a free place" }

func (w *world) Next(p *brigade.Project, n int) (map[string][]time.Time, error) {
	next := map[string][]time.Time{}
	for _, s := range p.Schedules {
		for i := range n {
			next[s.Name] = append(next[s.Name], epoch.Add(time.Duration(i)*time.Hour))
		}
	}
	return next, nil
}

var delivered = []brigade.Delivery{
	{ID: "01k0000000000000000000000b", Time: epoch, Gateway: "github", Project: "acme/app", Status: 200, Outcome: brigade.OutcomeAccepted, Body: "{}"},
	{ID: "01k0000000000000000000000a", Time: epoch, Gateway: "generic", Project: "other", Status: 403, Outcome: brigade.OutcomeRefused, Reason: "wrong secret"},
}

func (w *world) Deliveries(_ context.Context, before string, limit int) (list []brigade.Delivery, _ error) {
	for _, d := range delivered {
		if (before == "" || d.ID < before) && len(list) < limit {
			list = append(list, d)
		}
	}
	return list, nil
}

func (w *world) Delivery(_ context.Context, id string) (brigade.Delivery, error) {
	for _, d := range delivered {
		if d.ID == id {
			return d, nil
		}
	}
	return brigade.Delivery{}, brigade.NotFound("delivery", id)
}

func (w *world) Redeliver(ctx context.Context, id, _ string) (brigade.Delivery, error) {
	d, err := w.Delivery(ctx, id)
	d.ID = "01k0000000000000000000000c"
	return d, err
}

func (w *world) OpenArtifact(_ context.Context, _ *brigade.Job, a brigade.Artifact) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("content of " + a.Name)), nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(memory.Options{}), feed: feed.New(feed.Options{})}
	a, err := api.New(api.Options{
		Store: w.store, Records: w.store, Feed: w.feed, Control: w, Schedules: w, Deliveries: w, Artifacts: w, Version: "v9",
		Limits: api.Limits{Heartbeat: 50 * time.Millisecond, Poll: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := a.Handler()
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r)
		front := w.front
		w.mu.Unlock()
		if front != nil {
			front(handler).ServeHTTP(rw, r)
			return
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { a.Close(); w.server.Close(); w.feed.Close() })
	w.admin = w.token(api.ScopeAdmin)
	return w
}

func (w *world) token(s api.Scope, projects ...string) string {
	w.t.Helper()
	_, text, err := api.NewToken(context.Background(), w.store, api.Token{Name: "t-" + string(s), Scopes: []api.Scope{s}, Projects: projects}, time.Now())
	w.must(err)
	return text
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// client returns one with short pauses.
func (w *world) client(change ...func(*Options)) *Client {
	w.t.Helper()
	o := Options{URL: w.server.URL, Token: w.admin, Backoff: time.Millisecond, Timeout: 10 * time.Second, Patience: 10 * time.Second}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	w.must(err)
	return c
}

// stand puts something before the API.
func (w *world) stand(front func(http.Handler) http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.front = front
}

func (w *world) project(name string) *brigade.Project {
	p := brigade.NewProject(name)
	w.must(w.store.PutProject(context.Background(), p))
	return p
}

func (w *world) build(p *brigade.Project, state brigade.State) *brigade.Build {
	b := &brigade.Build{ID: id.New(time.Now()), ProjectID: p.ID, Project: p.Name, State: state, Created: epoch, Event: brigade.Event{Provider: "api", Type: "exec"}}
	_, err := w.store.CreateBuild(context.Background(), b)
	w.must(err)
	return b
}

// log adds lines to a log, and publishes them when told to.
func (w *world) log(buildID, jobID string, from int64, publish bool, texts ...string) {
	lines := make([]brigade.LogLine, len(texts))
	for i, text := range texts {
		lines[i] = brigade.LogLine{BuildID: buildID, JobID: jobID, Seq: from + int64(i), Time: epoch, Text: text}
	}
	w.must(w.store.AppendLog(context.Background(), lines))
	if publish {
		w.feed.Publish(brigade.Change{Time: epoch, BuildID: buildID, JobID: jobID, Lines: lines})
	}
}

// end ends a build.
func (w *world) end(buildID string, state brigade.State) {
	b, err := w.store.UpdateBuild(context.Background(), buildID, func(b *brigade.Build) error { b.State, b.Ended = state, epoch; return nil })
	w.must(err)
	w.feed.Publish(brigade.Change{Time: epoch, BuildID: buildID, Build: b})
}
