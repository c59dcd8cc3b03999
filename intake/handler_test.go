package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// reply is what an answer may hold.
type reply struct {
	Builds  []string `json:"builds"`
	Repeat  bool     `json:"repeat"`
	Ignored string   `json:"ignored"`
	Error   string   `json:"error"`
	Status  string   `json:"status"`
}

func read(t testing.TB, rec *httptest.ResponseRecorder) reply {
	t.Helper()
	var r reply
	if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the answer is %d %q %q", rec.Code, rec.Header(), rec.Body)
	}
	return r
}

func (w *world) last(t testing.TB) brigade.Delivery {
	t.Helper()
	list, err := w.Deliveries(t.Context(), "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

func TestAcceptedAndRepeated(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	m := message{Project: "acme/app", Types: []string{"push", "push:main"}, Key: "d1", Ref: "main"}
	r := m.request("hush-acme/app")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	rec := w.do(r)
	first := read(t, rec)
	if rec.Code != http.StatusAccepted || len(first.Builds) != 2 || first.Repeat {
		t.Fatalf("%d %+v", rec.Code, first)
	}
	if named := rec.Header().Get("Brigade-Builds"); named != strings.Join(first.Builds, ", ") {
		t.Errorf("the header names %q", named)
	}
	all := w.builds(t, p)
	for i, b := range all {
		full := w.get(t, b.ID)
		if b.ID != first.Builds[i] || b.Event.Type != m.Types[i] || b.Event.Key != fmt.Sprintf("signed:d1:%d", i) || full.Event.Payload == "" || b.Event.TraceParent == "" {
			t.Errorf("build %d: %+v", i, full)
		}
	}
	if d := w.last(t); d.Outcome != brigade.OutcomeAccepted || d.Status != 202 || !slices.Equal(d.Builds, first.Builds) || d.Project != "acme/app" || d.Body == "" ||
		!slices.Equal(d.Types, m.Types) || d.Gateway != "signed" || d.Remote != "192.0.2.1" || d.Bytes != len(d.Body) {
		t.Errorf("the delivery is %+v", d)
	}
	rec = w.post(m, "hush-acme/app")
	if again := read(t, rec); rec.Code != 200 || !again.Repeat || !slices.Equal(again.Builds, first.Builds) {
		t.Errorf("a repeat: %d %+v", rec.Code, again)
	}
	if d := w.last(t); d.Outcome != brigade.OutcomeRepeat || !slices.Equal(d.Builds, first.Builds) {
		t.Errorf("its delivery is %+v", d)
	}
	if got := w.Stats().Deliveries["signed"]; got[brigade.OutcomeAccepted] != 1 || got[brigade.OutcomeRepeat] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestProjectsAreFoundBy(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", func(p *brigade.Project) { p.Repository = "github.com/Acme/App-Code" })
	plain := w.project(t, "acme/plain", nil) // v1: repository and name are the same
	w.project(t, "one", func(p *brigade.Project) { p.Repository = "github.com/acme/twice" })
	w.project(t, "two", func(p *brigade.Project) { p.Repository = "gitlab.com/acme/twice" })
	for name, want := range map[string]*brigade.Project{
		p.ID: p, "acme/app": p, "ACME/App": p, "github.com/acme/app-code": p, "acme/app-code": p, "acme/app-code.git": p,
		"github.com/acme/plain": plain, "gitlab.com/acme/app-code": nil, "acme/twice": nil, "gitlab.com/acme/app": nil, "app": nil, "/": nil, "": nil, " ": nil,
	} {
		s, err := w.catalog.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.find(name); (got == nil) != (want == nil) || got != nil && got.ID != want.ID {
			t.Errorf("%q finds %v", name, got)
		}
	}
}

func TestChangesOfProjectsAreSeen(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	m := message{Project: "acme/app", Types: []string{"push"}}
	if rec := w.post(m, "hush-acme/app"); rec.Code != 202 {
		t.Fatal(rec.Code)
	}
	p.SharedSecret = "new"
	if err := w.store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.Invalidate()
	if rec := w.post(m, "hush-acme/app"); rec.Code != 401 {
		t.Errorf("the old secret: %d", rec.Code)
	}
	p.SharedSecret = "newer" // by another process
	if err := w.store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(catalogStale + time.Second)
	if rec := w.post(m, "newer"); rec.Code != 202 {
		t.Errorf("the newer secret: %d", rec.Code)
	}
}

// Whoever does not know the secret learns nothing: not whether the project is
// there, not what was wrong.
func TestRefusalsAreTheSame(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme/app", nil)
	w.project(t, "acme/bare", func(p *brigade.Project) { p.SharedSecret, p.GenericGatewaySecret = "", "" })
	w.project(t, "subscriber", func(p *brigade.Project) {
		p.Subscriptions = []brigade.Subscription{{Provider: "fake", Filter: `payload.project == "acme/app"`}}
	})
	requests := map[string]func() *http.Request{
		"wrong signature": func() *http.Request { return message{Project: "acme/app", Types: []string{"push"}}.request("wrong") },
		"unknown project": func() *http.Request { return message{Project: "acme/nope", Types: []string{"push"}}.request("wrong") },
		"no secret set":   func() *http.Request { return message{Project: "acme/bare", Types: []string{"push"}}.request("") },
		"no project":      func() *http.Request { return message{Types: []string{"push"}}.request("wrong") },
		"empty signature": func() *http.Request {
			r := message{Project: "acme/app", Types: []string{"push"}}.request("x")
			r.Header.Del("X-Signature")
			return r
		},
		"ignored, unknown": func() *http.Request { return message{Project: "acme/nope", Ignored: "ping"}.request("wrong") },
		"ignored, wrong":   func() *http.Request { return message{Project: "acme/app", Ignored: "ping"}.request("wrong") },
		"path, wrong":      func() *http.Request { return httptest.NewRequest("POST", "/in/acme%2Fapp/wrong", nil) },
		"path, unknown":    func() *http.Request { return httptest.NewRequest("POST", "/in/nope/wrong", nil) },
		"path, none set":   func() *http.Request { return httptest.NewRequest("POST", "/in/acme%2Fbare/wrong", nil) },
		"another's secret": func() *http.Request {
			return message{Project: "acme/app", Types: []string{"push"}}.request("hush-acme/bare")
		},
		"empty for a stray": func() *http.Request { return message{Project: "acme/nope", Types: []string{"push"}}.request("") },
	}
	var want string
	for name, request := range requests {
		rec := w.do(request())
		got := fmt.Sprint(rec.Code, rec.Header(), rec.Body)
		if rec.Code != 401 || want != "" && got != want {
			t.Errorf("%s: %s, others %s", name, got, want)
		}
		want = got
		if d := w.last(t); d.Outcome != brigade.OutcomeRefused || d.Reason == "" {
			t.Errorf("%s: the delivery is %+v", name, d)
		}
	}
	if n := len(w.builds(t, nil)); n != 0 {
		t.Errorf("%d builds", n)
	}
	if text := w.logged.String(); strings.Contains(text, "acme") {
		t.Errorf("it logged %s", text)
	}
}

// A wrong secret and an unknown project take the same time. The figures are
// printed; the bound is wide because machines are busy.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Refused = 1 << 30 })
	for n := range 50 {
		w.project(t, fmt.Sprint("acme/app", n), nil)
	}
	data := strings.Repeat("x", 20_000)
	took := map[string][]time.Duration{}
	for range 400 {
		for name, m := range map[string]message{"wrong": {Project: "acme/app7", Types: []string{"push"}, Data: data}, "unknown": {Project: "acme/nope7", Types: []string{"push"}, Data: data}} {
			r := m.request("wrong")
			begun := time.Now()
			w.do(r)
			took[name] = append(took[name], time.Since(begun))
		}
	}
	median := func(name string) time.Duration {
		slices.Sort(took[name])
		return took[name][len(took[name])/2]
	}
	wrong, unknown := median("wrong"), median("unknown")
	ratio := float64(wrong) / float64(unknown)
	t.Logf("wrong secret %v, unknown project %v: ratio %.3f", wrong, unknown, ratio)
	if ratio < 0.5 || ratio > 2 {
		t.Errorf("they can be told apart: ratio %.3f", ratio)
	}
}

func TestSubscriptions(t *testing.T) {
	w := newWorld(t, nil)
	app := w.project(t, "acme/app", nil)
	docs := w.project(t, "docs", func(p *brigade.Project) {
		p.Subscriptions = []brigade.Subscription{
			{Provider: "fake", Types: []string{"push*"}, Filter: `payload.data.files.exists(f, f.startsWith("docs/"))`},
			{Provider: "fake", Types: []string{"tag"}},
		}
	})
	all := w.project(t, "everything", func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{}} })
	w.project(t, "other", func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{Provider: "github"}} })
	choosy := w.project(t, "choosy", func(p *brigade.Project) {
		p.Subscriptions = []brigade.Subscription{{Types: []string{"choose"}, Filter: `event.project == "acme/app"`}}
	})
	w.project(t, "bad", func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{Filter: "((("}} })
	data := func(files ...string) any { return map[string]any{"files": files} }
	for name, c := range map[string]struct {
		message message
		secret  string
		status  int
		want    []*brigade.Project
	}{
		"named and subscribed":      {message{Project: "acme/app", Types: []string{"push"}, Data: data("docs/a")}, "hush-acme/app", 202, []*brigade.Project{app, docs, all}},
		"the filter says no":        {message{Project: "acme/app", Types: []string{"push:main"}, Data: data("src/a")}, "hush-acme/app", 202, []*brigade.Project{app, all}},
		"the filter finds nothing":  {message{Project: "acme/app", Types: []string{"push"}}, "hush-acme/app", 202, []*brigade.Project{app, all}},
		"second subscription":       {message{Project: "acme/app", Types: []string{"tag"}}, "hush-acme/app", 202, []*brigade.Project{app, docs, all}},
		"named once":                {message{Project: "everything", Types: []string{"x"}}, "hush-everything", 202, []*brigade.Project{all}},
		"some of the events":        {message{Project: "acme/app", Types: []string{"tag", "x"}}, "hush-acme/app", 202, []*brigade.Project{app, app, docs, all, all}},
		"nobody named":              {message{Types: []string{"tag"}}, "hush-docs", 202, []*brigade.Project{docs}},
		"unknown, own secret":       {message{Project: "acme/nope", Types: []string{"tag"}}, "hush-docs", 202, []*brigade.Project{docs}},
		"wrong secret, but its own": {message{Project: "acme/app", Types: []string{"tag"}}, "hush-docs", 202, []*brigade.Project{docs}},
		"own secret, no match":      {message{Types: []string{"push"}, Data: data("src/a")}, "hush-docs", 200, nil},
		"nobody's secret":           {message{Project: "acme/app", Types: []string{"tag"}}, "wrong", 401, nil},
		"does not subscribe":        {message{Types: []string{"tag"}}, "hush-acme/app", 401, nil},
		"of the project":            {message{Project: "acme/app", Types: []string{"choose"}}, "hush-acme/app", 202, []*brigade.Project{app, choosy, all}},
		"of another project":        {message{Project: "docs", Types: []string{"choose"}}, "hush-docs", 202, []*brigade.Project{docs, all}},
		"of the project, it says":   {message{Project: "acme/app", Types: []string{"choose"}}, "hush-choosy", 200, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.builds(t, nil))
			rec := w.post(c.message, c.secret)
			got := read(t, rec)
			if rec.Code != c.status || len(got.Builds) != len(c.want) {
				t.Fatalf("%d %+v", rec.Code, got)
			}
			var ids, want []string
			for _, id := range got.Builds {
				ids = append(ids, w.get(t, id).Project)
			}
			for _, p := range c.want {
				want = append(want, p.Name)
			}
			if !slices.Equal(ids, want) || len(w.builds(t, nil)) != before+len(want) {
				t.Errorf("builds of %v, want %v", ids, want)
			}
		})
	}
	// Without authentication the subscribers alone decide.
	rec := w.do(httptest.NewRequest("POST", "/open", strings.NewReader(`{"types":["tag"]}`)))
	if got := read(t, rec); rec.Code != 202 || len(got.Builds) != 2 {
		t.Errorf("open: %d %+v", rec.Code, got)
	}
	if d := w.last(t); !strings.Contains(d.Reason, "subscription 1 of bad") {
		t.Errorf("a broken filter is not told: %q", d.Reason)
	}
}

func TestTypesOfSubscriptions(t *testing.T) {
	e := &brigade.Event{Provider: "github", Type: "pull_request", Also: []string{"pull_request:opened"}}
	for pattern, want := range map[string]bool{"pull_request": true, "pull_*": true, "*": true, "pull_request:opened": true, "pull_request:*": true, "pull": false, "push*": false, "": false} {
		if got := ofType(&brigade.Subscription{Types: []string{"none", pattern}}, e); got != want {
			t.Errorf("%q: %v", pattern, got)
		}
	}
}

func TestComplete(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Complete = 3 * time.Second })
	p := w.project(t, "acme/app", nil)
	for how, want := range map[string]struct {
		status  int
		outcome brigade.Outcome
	}{
		"works": {202, brigade.OutcomeAccepted}, "ignored": {200, brigade.OutcomeIgnored}, "invalid": {400, brigade.OutcomeRefused},
		"fails": {503, brigade.OutcomeFailed}, "hangs": {503, brigade.OutcomeFailed},
	} {
		rec := w.post(message{Project: "acme/app", Types: []string{"push"}, Complete: how}, "hush-acme/app")
		if d := w.last(t); rec.Code != want.status || d.Outcome != want.outcome {
			t.Errorf("%s: %d, %+v", how, rec.Code, d)
		}
		if (rec.Code == 503) != (rec.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After is %q", how, rec.Header().Get("Retry-After"))
		}
	}
	if all := w.builds(t, p); len(all) != 1 || all[0].Event.ShortTitle != "for acme/app" {
		t.Errorf("%d builds", len(all))
	}
	if strings.Contains(w.logged.String(), "hush") {
		t.Error(w.logged)
	}
}

func TestIgnored(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme/app", nil)
	for name, m := range map[string]message{
		"a ping":            {Project: "acme/app", Ignored: "ping"},
		"without a project": {Ignored: "ping"},
		"nothing in it":     {Project: "acme/app"},
	} {
		rec := w.post(m, "hush-acme/app")
		if got := read(t, rec); rec.Code != 200 || got.Ignored == "" || w.last(t).Outcome != brigade.OutcomeIgnored {
			t.Errorf("%s: %d %+v", name, rec.Code, got)
		}
	}
}

func TestOwnAnswers(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme", nil)
	rec := w.do(httptest.NewRequest("POST", "/in/acme/path-acme?commit=1&token=t0ken", strings.NewReader("plain")))
	if got := read(t, rec); rec.Code != 200 || got.Status != "Success. Build created" || rec.Header().Get("WebHook-Allowed-Origin") != "*" {
		t.Errorf("%d %+v", rec.Code, got)
	}
	if id := rec.Header().Get("Brigade-Builds"); id == "" || w.get(t, id).Project != "acme" {
		t.Errorf("the answer names the build %q", id)
	}
}

// A store that fails loses nothing: the sender is told to come again, and
// what was stored by then is recognised.
func TestAFailingStore(t *testing.T) {
	f := &failing{}
	w := newWorld(t, withFailing(f))
	p := w.project(t, "acme/app", nil)
	m := message{Project: "acme/app", Types: []string{"a", "b", "c", "d"}, Key: "d1"}
	for stored := range 4 {
		f.fail(errDisk, stored)
		rec := w.post(m, "hush-acme/app")
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "disk") {
			t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
		}
		if d := w.last(t); d.Outcome != brigade.OutcomeFailed || !strings.Contains(d.Reason, "the disk is full") {
			t.Errorf("%+v", d)
		}
	}
	f.fail(nil, 0)
	rec := w.post(m, "hush-acme/app")
	got := read(t, rec)
	if rec.Code != 202 && rec.Code != 200 || len(got.Builds) != 4 || len(w.builds(t, p)) != 4 {
		t.Fatalf("%d %+v, %d builds", rec.Code, got, len(w.builds(t, p)))
	}
	for i, id := range got.Builds {
		if b := w.get(t, id); b.Event.Type != m.Types[i] {
			t.Errorf("build %d is of %s", i, b.Event.Type)
		}
	}
	w.memory.Close()
	w.Invalidate()
	if rec := w.post(m, "hush-acme/app"); rec.Code != 503 {
		t.Errorf("with a store that is gone: %d", rec.Code)
	}
}

func TestPanics(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do(httptest.NewRequest("POST", "/broken", strings.NewReader("s3cr3t")))
	if got := read(t, rec); rec.Code != 500 || got.Error != "internal error" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	text := w.logged.String()
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, "goroutine") || !strings.Contains(text, "broken.Read") {
		t.Errorf("it logged %s", text)
	}
	if d := w.last(t); d.Outcome != brigade.OutcomeFailed {
		t.Errorf("%+v", d)
	}
}

func TestOtherRoutes(t *testing.T) {
	w := newWorld(t, nil)
	for what, want := range map[string]int{
		"GET /healthz": 200, "HEAD /healthz": 200, "POST /healthz": 405, "GET /signed": 405, "GET /": 404, "POST /in/a": 404, "DELETE /nope": 404, "POST /in/a/b/c": 404,
	} {
		method, path, _ := strings.Cut(what, " ")
		rec := w.do(httptest.NewRequest(method, path, nil))
		if rec.Code != want {
			t.Errorf("%s: %d %s", what, rec.Code, rec.Body)
		}
		if want >= 400 {
			read(t, rec)
		}
		if want == 405 && rec.Header().Get("Allow") == "" {
			t.Errorf("%s: no Allow", what)
		}
	}
	in := w.Intake
	if _, err := in.Handler([]brigade.Gateway{signed{}, signed{}}); err == nil {
		t.Error("two gateways on one route")
	}
}

// The sender hangs up while its event is stored: the event stays.
func TestTheSenderHangsUp(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	ctx, cancel := context.WithCancel(t.Context())
	r := message{Project: "acme/app", Types: []string{"push"}}.request("hush-acme/app").WithContext(ctx)
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(r.Body, readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })), io.NopCloser(nil)}
	if rec := w.do(r); rec.Code != 202 || len(w.builds(t, p)) != 1 {
		t.Errorf("%d, %d builds", rec.Code, len(w.builds(t, p)))
	}
	r = message{Project: "acme/app", Types: []string{"push"}}.request("hush-acme/app")
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, errors.New("connection reset") }))
	if rec := w.do(r); rec.Code != 400 || len(w.builds(t, p)) != 1 {
		t.Errorf("%d, %d builds", rec.Code, len(w.builds(t, p)))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The same delivery from many connections at once starts its builds once.
func TestRepeatsThroughTheHandler(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	var wg sync.WaitGroup
	answers := make([]string, 16)
	for n := range answers {
		wg.Go(func() {
			rec := w.post(message{Project: "acme/app", Types: []string{"a", "b"}, Key: "same"}, "hush-acme/app")
			answers[n] = strings.Join(read(t, rec).Builds, ",")
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] || a == "" {
			t.Errorf("answered %q", answers)
			break
		}
	}
	if n := len(w.builds(t, p)); n != 2 {
		t.Errorf("%d builds", n)
	}
}
