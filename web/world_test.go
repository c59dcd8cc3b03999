package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/web"
)

// world is a dashboard over a store in memory, with people who have tokens.
type world struct {
	t      testing.TB
	store  *memory.Store
	feed   *feed.Feed
	web    *web.Web
	server *httptest.Server
	tokens *tokens
	now    func() time.Time

	clock sync.Mutex // of web and ahead
	ahead time.Duration

	mu      sync.Mutex
	subs    []brigade.Submission
	events  []brigade.Event
	audited []web.Action

	requests []brigade.Delivery
}

// tokens is an Auth that knows a few people.
type tokens struct {
	mu        sync.Mutex
	known     map[string]*web.Identity
	anonymous *web.Identity
	down      bool
}

func (k *tokens) Authenticate(_ context.Context, token string) (*web.Identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return nil, brigade.Errorf(brigade.CodeUnavailable, "nobody knows")
	}
	if who, ok := k.known[token]; ok {
		return who, nil
	}
	return nil, brigade.Errorf(brigade.CodeDenied, "the token is not accepted")
}

func (k *tokens) Anonymous(*http.Request) *web.Identity {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.anonymous
}

func (k *tokens) revoke(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, token)
}

func newWorld(t testing.TB, change ...func(*web.Options)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(memory.Options{}), feed: feed.New(feed.Options{})}
	w.now = func() time.Time {
		w.clock.Lock()
		defer w.clock.Unlock()
		return time.Now().Add(w.ahead)
	}
	w.tokens = &tokens{known: map[string]*web.Identity{
		"all-token":    {Name: "ada", Read: true, Act: true},
		"reader-token": {Name: "reader", Read: true},
		"sender-token": {Name: "sender", Act: true},
		"acme-token":   {Name: "acme", Read: true, Act: true, Sees: func(_, name string) bool { return strings.HasPrefix(name, "acme/") }},
	}}
	w.server = w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.clock.Lock()
		now := w.web
		w.clock.Unlock()
		now.Handler().ServeHTTP(rw, r)
	}))
	w.make(change...)
	t.Cleanup(func() { w.web.Close(); w.server.Close(); w.feed.Close() })
	return w
}

// transport reaches the servers of the tests.
var transport = &http.Transport{DialContext: dial, DisableKeepAlives: true}

// serve starts a server.
func (w *world) serve(h http.Handler) *httptest.Server {
	w.t.Helper()
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	var err error
	s.Listener, err = listen()
	w.must(err)
	s.Start()
	return s
}

func (w *world) options() web.Options {
	return web.Options{
		Store: w.store, Feed: w.feed, Control: w, Auth: w.tokens, Schedules: w, Artifacts: w, Records: w.store, Deliveries: w, Version: "3.0.0-test",
		Audit:  func(_ context.Context, a web.Action) { w.mu.Lock(); w.audited = append(w.audited, a); w.mu.Unlock() },
		Limits: web.Limits{Recheck: time.Nanosecond, Pace: 20 * time.Millisecond}, Now: func() time.Time { return w.now() },
	}
}

// make makes the dashboard that answers from now on.
func (w *world) make(change ...func(*web.Options)) {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	made, err := web.New(o)
	w.must(err)
	w.clock.Lock()
	defer w.clock.Unlock()
	w.web = made
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// Submit is that of a server without limits.
func (w *world) Submit(ctx context.Context, p *brigade.Project, e brigade.Event, s brigade.Submission) (*brigade.Build, bool, error) {
	w.mu.Lock()
	w.subs, w.events = append(w.subs, s), append(w.events, e)
	w.mu.Unlock()
	b := &brigade.Build{ID: id.New(w.now()), ProjectID: p.ID, Project: p.Name, Event: e, State: brigade.StatePending, Created: w.now(), RerunOf: s.RerunOf, Inherit: s.Inherit}
	kept, err := w.store.CreateBuild(ctx, b)
	if err != nil {
		return nil, false, err
	}
	w.feed.Publish(brigade.Change{Time: w.now(), BuildID: kept.ID, Build: kept})
	return kept, kept.ID != b.ID, nil
}

// Cancel ends the build at once.
func (w *world) Cancel(_ context.Context, buildID string, req brigade.CancelRequest) error {
	b, err := w.store.Build(context.Background(), buildID)
	if err != nil {
		return err
	}
	if b.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "build %s has ended: it is %s", b.ID, b.State)
	}
	w.update(buildID, func(b *brigade.Build) {
		b.Cancel, b.State, b.Ended = &req, brigade.StateCanceled, w.now()
		b.Failure = brigade.Errorf(brigade.CodeCanceled, "the build was canceled")
	})
	return nil
}

// CancelJob does nothing but write it down.
func (w *world) CancelJob(_ context.Context, buildID, jobID string, req brigade.CancelRequest) error {
	j, err := w.store.Job(context.Background(), jobID)
	if err != nil {
		return err
	}
	j.State, j.Ended = brigade.StateCanceled, w.now()
	w.job(j)
	return nil
}

// WaitsFor is one reason for all.
func (w *world) WaitsFor(string) string { return "a free runner (4 of 4 are busy)" }

// Next is due every hour.
func (w *world) Next(p *brigade.Project, n int) (map[string][]time.Time, error) {
	due := map[string][]time.Time{}
	for _, s := range p.Schedules {
		for i := range n {
			if s.Paused {
				break
			}
			due[s.Name] = append(due[s.Name], w.now().Truncate(time.Hour).Add(time.Duration(i+1)*time.Hour))
		}
	}
	return due, nil
}

// OpenArtifact returns as many bytes as it should have.
func (w *world) OpenArtifact(_ context.Context, _ *brigade.Job, a brigade.Artifact) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat("<script>", 1000)), a.Size)), nil
}

// Deliveries returns what was put into w.requests, newest first.
func (w *world) Deliveries(_ context.Context, before string, limit int) ([]brigade.Delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []brigade.Delivery
	for _, d := range w.requests {
		if (before == "" || d.ID < before) && len(list) < limit {
			list = append(list, d)
		}
	}
	return list, nil
}

func (w *world) Delivery(_ context.Context, id string) (brigade.Delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.requests {
		if d.ID == id {
			return d, nil
		}
	}
	return brigade.Delivery{}, brigade.NotFound("delivery", id)
}

// Redeliver repeats it with the same outcome.
func (w *world) Redeliver(ctx context.Context, oldID, actor string) (brigade.Delivery, error) {
	d, err := w.Delivery(ctx, oldID)
	if err != nil {
		return d, err
	}
	d.ID, d.Time, d.Reason = id.New(w.now()), w.now(), "redelivery of "+oldID+" for "+actor
	w.delivery(d)
	return d, nil
}

// delivery adds a request to a gateway.
func (w *world) delivery(d brigade.Delivery) brigade.Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append([]brigade.Delivery{d}, w.requests...)
	return d
}

func (w *world) update(buildID string, change func(*brigade.Build)) {
	w.t.Helper()
	b, err := w.store.UpdateBuild(context.Background(), buildID, func(b *brigade.Build) error { change(b); return nil })
	w.must(err)
	w.feed.Publish(brigade.Change{Time: w.now(), BuildID: b.ID, Build: b})
}

func (w *world) project(p *brigade.Project) *brigade.Project {
	w.t.Helper()
	w.must(w.store.PutProject(context.Background(), p))
	return p
}

func (w *world) build(b *brigade.Build) *brigade.Build {
	w.t.Helper()
	if b.ID == "" {
		b.ID = id.New(b.Created)
	}
	_, err := w.store.CreateBuild(context.Background(), b)
	w.must(err)
	return b
}

// job stores a job and tells of it.
func (w *world) job(j *brigade.Job) *brigade.Job {
	w.t.Helper()
	if j.ID == "" {
		j.ID = j.Name + "-" + j.BuildID
	}
	w.must(w.store.PutJob(context.Background(), j))
	w.feed.Publish(brigade.Change{Time: w.now(), BuildID: j.BuildID, Job: j})
	return j
}

// log adds lines to a log and tells of them.
func (w *world) log(buildID, jobID string, from int64, at time.Time, texts ...string) {
	w.t.Helper()
	for chunk := range slices.Chunk(texts, 1000) {
		lines := make([]brigade.LogLine, len(chunk))
		for i, text := range chunk {
			lines[i] = brigade.LogLine{BuildID: buildID, JobID: jobID, Seq: from, Time: at.Add(time.Duration(from) * 40 * time.Millisecond), Text: text}
			from++
		}
		w.must(w.store.AppendLog(context.Background(), lines))
		w.feed.Publish(brigade.Change{Time: w.now(), BuildID: buildID, Lines: lines})
	}
}

// browser is somebody who keeps cookies and does not follow redirects.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{w, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as returns a browser that has logged in with the token.
func (w *world) as(token string) *browser {
	w.t.Helper()
	b := w.browser()
	b.post("/login", url.Values{"token": {token}}).want(http.StatusSeeOther)
	return b
}

// cookie gives the browser another session cookie.
func (b *browser) cookie(value string) {
	u, err := url.Parse(b.w.server.URL)
	b.w.must(err)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "brigade-session", Value: value, Path: "/"}})
}

// value is the browser's session cookie.
func (b *browser) value() string {
	u, err := url.Parse(b.w.server.URL)
	b.w.must(err)
	for _, k := range b.client.Jar.Cookies(u) {
		if k.Name == "brigade-session" {
			return k.Value
		}
	}
	return ""
}

// at returns the same browser at another server.
func (b *browser) at(base string) *browser {
	return &browser{b.w, &http.Client{Jar: b.client.Jar, CheckRedirect: b.client.CheckRedirect, Transport: elsewhere(base)}}
}

// elsewhere sends requests to another server than they are for.
type elsewhere string

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	u, err := url.Parse(string(e))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Host, r.Host = u.Host, u.Host
	return transport.RoundTrip(r)
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, body io.Reader, headers ...string) answer {
	b.w.t.Helper()
	r, err := http.NewRequest(method, b.w.server.URL+path, body)
	b.w.must(err)
	r.Header.Set("Accept", "text/html")
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.client.Do(r)
	b.w.must(err)
	defer resp.Body.Close()
	return answer{t: b.w.t, what: method + " " + path}.of(resp)
}

// of fills in what came.
func (a answer) of(resp *http.Response) answer {
	a.t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	a.status, a.header, a.body = resp.StatusCode, resp.Header, string(data)
	return a
}

func (b *browser) get(path string, headers ...string) answer {
	b.w.t.Helper()
	return b.do("GET", path, nil, headers...)
}

func (b *browser) post(path string, form url.Values, headers ...string) answer {
	b.w.t.Helper()
	return b.do("POST", path, strings.NewReader(form.Encode()), headers...)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf returns the token that forms of a page carry.
func (b *browser) csrf(path string) string {
	b.w.t.Helper()
	m := csrfField.FindStringSubmatch(b.get(path).want(200).body)
	if m == nil {
		b.w.t.Fatalf("%s has no form", path)
	}
	return m[1]
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%.600s", a.what, a.status, status, a.body)
	}
	return a
}

func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("%s lacks %q", a.what, text)
		}
	}
	return a
}

func (a answer) lacks(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("%s has %q", a.what, text)
		}
	}
	return a
}

// steps are the history of a job.
func steps(from time.Time, waited, pulled time.Duration) []brigade.Step {
	list := []brigade.Step{{State: brigade.StatePending, Time: from}}
	if pulled > 0 {
		list = append(list, brigade.Step{State: brigade.StatePulling, Time: from.Add(waited)})
	}
	return append(list, brigade.Step{State: brigade.StateRunning, Time: from.Add(waited + pulled)})
}

// ran is a job that has ended: so long after the build's start it was created,
// waited, pulled and ran.
func (w *world) ran(b *brigade.Build, name string, state brigade.State, after, waited, pulled, took time.Duration) *brigade.Job {
	from := b.Started.Add(after)
	j := &brigade.Job{
		Name: name, BuildID: b.ID, State: state, Attempt: 1, Created: from, Started: from.Add(waited + pulled), Ended: from.Add(waited + pulled + took),
		Spec:    brigade.JobSpec{Name: name, Image: "golang:1.26", Tasks: []string{"make " + name}, Env: map[string]brigade.EnvValue{"CI": {Value: "true"}}},
		History: steps(from, waited, pulled), LogBytes: 48213,
	}
	if state == brigade.StateFailed {
		j.ExitCode = 2
		j.Failure = brigade.Errorf(brigade.CodeBuildFailed, "job %s(%s-%s): exit code 2", name, name, b.ID)
	}
	return w.job(j)
}

// large adds a build with that many jobs, in waves of eight.
func (w *world) large(p *brigade.Project, n int) *brigade.Build {
	now := w.now()
	b := w.build(&brigade.Build{
		ProjectID: p.ID, Project: p.Name, State: brigade.StateSucceeded, Attempt: 1, Created: now.Add(-time.Hour), Started: now.Add(-time.Hour + 2*time.Second),
		Ended: now.Add(-30 * time.Minute), Runner: "docker", Script: "// " + strings.Repeat("x", 20000),
		Event: brigade.Event{Provider: "github", Type: "push", ShortTitle: "matrix of everything", Payload: `{"a":"` + strings.Repeat("y", 30000) + `"}`, Revision: brigade.Revision{Ref: "refs/heads/main", Commit: "4f2a9b1c77d0e35566aa"}},
	})
	for i := range n {
		w.ran(b, fmt.Sprintf("test-shard-%02d", i), brigade.StateSucceeded, time.Duration(i/8)*3*time.Minute, time.Duration(i%8)*time.Second, 4*time.Second, time.Duration(60+i*37%100)*time.Second)
	}
	return b
}

func rootIdentity() *web.Identity {
	return &web.Identity{Name: "root", Kind: "token", Read: true, Act: true, Admin: true}
}

func buildHref(b *brigade.Build) string { return `href="/builds/` + b.ID + `"` }

// next is the address of the page after this one, "" when it is the last.
func (a answer) next() string {
	_, rest, ok := strings.Cut(a.body, `rel="next" href="`)
	if !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(path, "&amp;", "&")
}
