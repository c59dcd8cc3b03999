package intake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// records keeps records in memory, for a store that has none.
type records struct {
	mu   sync.Mutex
	data map[string]map[string][]byte
}

func (r *records) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil {
		r.data = map[string]map[string][]byte{}
	}
	if r.data[kind] == nil {
		r.data[kind] = map[string][]byte{}
	}
	r.data[kind][key] = slices.Clone(data)
	return ctx.Err()
}

func (r *records) Record(_ context.Context, kind, key string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data, there := r.data[kind][key]; there {
		return data, nil
	}
	return nil, brigade.NotFound("record", key)
}

func (r *records) ListRecords(_ context.Context, kind string, q brigade.RecordQuery) ([]brigade.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var page []brigade.Record
	for key, data := range r.data[kind] {
		if q.Before == "" || key < q.Before {
			page = append(page, brigade.Record{Key: key, Data: data})
		}
	}
	slices.SortFunc(page, func(a, b brigade.Record) int { return strings.Compare(b.Key, a.Key) })
	if q.Limit <= 0 {
		q.Limit = 50
	}
	return page[:min(q.Limit, len(page))], nil
}

func (r *records) DeleteRecords(_ context.Context, kind, key string, only bool) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for k := range r.data[kind] {
		if k == key && only || k < key && !only {
			delete(r.data[kind], k)
			n++
		}
	}
	return n, nil
}

// parts are a store with records.
type parts struct {
	brigade.Projects
	brigade.Builds
	brigade.Records
}

func withRecords(s brigade.Store) parts {
	p := parts{Projects: s, Builds: s, Records: &records{}}
	if r, ok := s.(brigade.Records); ok {
		p.Records = r
	}
	return p
}

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) pass(d time.Duration) { c.set(c.now().Add(d)) }

// world is an Intake with everything around it.
type world struct {
	*Intake
	store   parts
	memory  *memory.Store
	clock   *clock
	logged  *syncBuffer
	handler http.Handler
	changes <-chan brigade.Change
	woken   chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, change func(*Options)) *world {
	t.Helper()
	w := &world{clock: &clock{t: start}, logged: &syncBuffer{}, woken: make(chan struct{}, 10_000)}
	w.memory = memory.New(memory.Options{Now: w.clock.now})
	w.store = withRecords(w.memory)
	f := feed.New(feed.Options{Queue: 100_000})
	w.changes = f.Subscribe(t.Context(), "")
	o := Options{
		Store: w.store, Feed: f, Now: w.clock.now, Log: slog.New(slog.NewTextHandler(w.logged, nil)),
		Wake: func() {
			select {
			case w.woken <- struct{}{}:
			default:
			}
		},
	}
	if change != nil {
		change(&o)
	}
	in, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Intake = in
	if w.handler, err = in.Handler([]brigade.Gateway{signed{}, inPath{}, open{}, broken{}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// project stores a project and makes it known.
func (w *world) project(t testing.TB, name string, change func(*brigade.Project)) *brigade.Project {
	t.Helper()
	p := brigade.NewProject(name)
	p.SharedSecret, p.GenericGatewaySecret = "hush-"+name, "path-"+name
	if change != nil {
		change(p)
	}
	if err := w.store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.Invalidate()
	return p
}

func (w *world) builds(t testing.TB, p *brigade.Project) []*brigade.Build {
	t.Helper()
	f := brigade.BuildFilter{Limit: 1000}
	if p != nil {
		f.ProjectID = p.ID
	}
	all, err := w.store.ListBuilds(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all) // oldest first
	return all
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// post sends a signed message.
func (w *world) post(m message, secret string) *httptest.ResponseRecorder {
	return w.do(m.request(secret))
}

// message is what the fake gateways read.
type message struct {
	Project  string   `json:"project"`
	Provider string   `json:"provider,omitempty"`
	Types    []string `json:"types"`
	Key      string   `json:"key,omitempty"`
	Ref      string   `json:"ref,omitempty"`
	Data     any      `json:"data,omitempty"`
	Ignored  string   `json:"ignored,omitempty"`
	Complete string   `json:"complete,omitempty"`
}

func (m message) request(secret string) *http.Request {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("POST", "/signed", bytes.NewReader(data))
	r.Header.Set("X-Signature", sign(secret, data))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func sign(secret string, data []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil))
}

func (m message) reading(body []byte) brigade.Reading {
	r := brigade.Reading{Project: m.Project, Ignored: m.Ignored}
	provider := m.Provider
	if provider == "" {
		provider = "fake"
	}
	for i, kind := range m.Types {
		e := brigade.Event{Provider: provider, Type: kind, Payload: string(body), Revision: brigade.Revision{Ref: m.Ref}}
		if m.Key != "" {
			e.Key = fmt.Sprintf("%s:%d", m.Key, i)
		}
		r.Events = append(r.Events, e)
	}
	if m.Complete != "" {
		r.Complete = func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
			switch m.Complete {
			case "ignored":
				return nil, &brigade.IgnoredError{Reason: "a stranger"}
			case "invalid":
				return nil, brigade.Errorf(brigade.CodeInvalid, "no such commit")
			case "fails":
				return nil, fmt.Errorf("the forge is down")
			case "hangs":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			for i := range events {
				events[i].ShortTitle = "for " + p.Name
			}
			return events, nil
		}
	}
	return r
}

// signed is a gateway whose requests carry a signature.
type signed struct{}

func (signed) Name() string     { return "signed" }
func (signed) Routes() []string { return []string{"POST /signed"} }
func (signed) Read(in brigade.Inbound) (brigade.Reading, error) {
	var m message
	if err := json.Unmarshal(in.Body, &m); err != nil {
		return brigade.Reading{}, brigade.Errorf(brigade.CodeInvalid, "the body is no JSON")
	}
	r := m.reading(in.Body)
	r.Verify = func(p *brigade.Project) error {
		if p.SharedSecret == "" || !hmac.Equal([]byte(sign(p.SharedSecret, in.Body)), []byte(in.Header.Get("X-Signature"))) {
			return brigade.Errorf(brigade.CodeDenied, "the signature is wrong")
		}
		return nil
	}
	return r, nil
}

// inPath is a gateway with the secret in the path, and answers of its own.
type inPath struct{}

func (inPath) Name() string     { return "inpath" }
func (inPath) Routes() []string { return []string{"POST /in/{project}/{secret}"} }
func (inPath) Read(in brigade.Inbound) (brigade.Reading, error) {
	return brigade.Reading{
		Project: in.Path("project"),
		Verify: func(p *brigade.Project) error {
			a, b := sha256.Sum256([]byte(p.GenericGatewaySecret)), sha256.Sum256([]byte(in.Path("secret")))
			if p.GenericGatewaySecret == "" || !hmac.Equal(a[:], b[:]) {
				return brigade.Errorf(brigade.CodeDenied, "the secret is wrong")
			}
			return nil
		},
		Events: []brigade.Event{{Provider: "GenericWebhook", Type: "simpleevent", Payload: string(in.Body), Key: in.Header.Get("Ce-Id")}},
		Answer: func([]*brigade.Build) (int, any) { return 200, map[string]string{"status": "Success. Build created"} },
		Header: http.Header{"webhook-allowed-origin": {"*"}, "Content-Type": {"text/html"}},
	}, nil
}

// open is a gateway without authentication.
type open struct{}

func (open) Name() string     { return "open" }
func (open) Routes() []string { return []string{"POST /open"} }
func (open) Read(in brigade.Inbound) (brigade.Reading, error) {
	var m message
	if err := json.Unmarshal(in.Body, &m); err != nil {
		return brigade.Reading{}, brigade.Errorf(brigade.CodeInvalid, "the body is no JSON")
	}
	return m.reading(in.Body), nil
}

// broken is a gateway with a bug.
type broken struct{}

func (broken) Name() string     { return "broken" }
func (broken) Routes() []string { return []string{"POST /broken"} }
func (broken) Read(in brigade.Inbound) (brigade.Reading, error) {
	panic("secret value " + string(in.Body))
}
