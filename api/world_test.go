package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/store/memory"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// control is a Control that only writes things down.
type control struct {
	store *memory.Store
	mu    sync.Mutex
	jobs  []string // canceled
	subs  []brigade.Submission
}

func (c *control) Submit(ctx context.Context, p *brigade.Project, e brigade.Event, s brigade.Submission) (*brigade.Build, bool, error) {
	b := &brigade.Build{ID: id.New(time.Now()), ProjectID: p.ID, Project: p.Name, Event: e, State: brigade.StatePending, Created: epoch, RerunOf: s.RerunOf, Inherit: s.Inherit}
	stored, err := c.store.CreateBuild(ctx, b)
	if err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = append(c.subs, s)
	return stored, stored.ID != b.ID, nil
}

func (c *control) Cancel(ctx context.Context, buildID string, req brigade.CancelRequest) error {
	_, err := c.store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error { b.Cancel = &req; return nil })
	return err
}

func (c *control) CancelJob(_ context.Context, _, jobID string, _ brigade.CancelRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, jobID)
	return nil
}

func (c *control) WaitsFor(string) string { return "a free place" }

type clock struct{}

func (clock) Next(p *brigade.Project, n int) (map[string][]time.Time, error) {
	out := map[string][]time.Time{}
	for _, s := range p.Schedules {
		for i := range n {
			out[s.Name] = append(out[s.Name], epoch.Add(time.Duration(i)*time.Hour))
		}
	}
	return out, nil
}

type deliveries []brigade.Delivery // newest first

func (d deliveries) Deliveries(_ context.Context, before string, limit int) (page []brigade.Delivery, _ error) {
	for _, x := range d {
		if (before == "" || x.ID < before) && len(page) < limit {
			page = append(page, x)
		}
	}
	return page, nil
}

func (d deliveries) Delivery(_ context.Context, id string) (brigade.Delivery, error) {
	for _, x := range d {
		if x.ID == id {
			return x, nil
		}
	}
	return brigade.Delivery{}, brigade.NotFound("delivery", id)
}

func (d deliveries) Redeliver(ctx context.Context, id, _ string) (brigade.Delivery, error) {
	return d.Delivery(ctx, id)
}

type files map[string]string // by job and name

func (f files) OpenArtifact(_ context.Context, j *brigade.Job, a brigade.Artifact) (io.ReadCloser, error) {
	text, ok := f[j.ID+"/"+a.Name]
	if !ok {
		return nil, brigade.NotFound("artifact", a.Name)
	}
	if strings.HasSuffix(a.Name, ".pipe") {
		return io.NopCloser(io.LimitReader(strings.NewReader(text), 1<<20)), nil
	}
	return struct {
		*strings.Reader
		io.Closer
	}{strings.NewReader(text), io.NopCloser(nil)}, nil
}

// world is a server with something in it.
type world struct {
	t       *testing.T
	store   *memory.Store
	feed    *feed.Feed
	control *control
	api     *API
	server  *httptest.Server
	admin   string // tokens
	reader  string

	build, running *brigade.Build
	job            *brigade.Job
	secrets        []string
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(memory.Options{}), feed: feed.New(feed.Options{})}
	w.control = &control{store: w.store}
	w.seed()
	o := Options{
		Store: w.store, Records: w.store, Feed: w.feed, Control: w.control, Schedules: clock{},
		Deliveries: deliveries{
			{ID: "01k0000000000000000000000b", Time: epoch, Gateway: "github", Route: "POST /events/github", Project: "acme/app", Status: 200, Outcome: brigade.OutcomeAccepted, Bytes: 9, Body: `{"d":"a"}`, Builds: []string{w.build.ID}},
			{ID: "01k0000000000000000000000a", Time: epoch, Gateway: "generic", Route: "POST /x", Project: "other", Status: 401, Outcome: brigade.OutcomeRefused, Bytes: 0},
		},
		Artifacts: files{w.job.ID + "/out/report.txt": "0123456789", w.job.ID + "/a.pipe": "pipe"},
		Metrics:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") }),
		Version:   "v9",
		Limits:    Limits{Write: 5 * time.Second, Heartbeat: 50 * time.Millisecond, Poll: 100 * time.Millisecond, Failures: 1000},
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if w.api, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.api.Handler())
	t.Cleanup(func() { w.api.Close(); w.server.Close(); w.feed.Close() })
	w.admin, w.reader = w.token(ScopeAdmin), w.token(ScopeRead)
	return w
}

func (w *world) token(s Scope, projects ...string) string {
	_, text, err := NewToken(context.Background(), w.store, Token{Name: "test-" + string(s), Scopes: []Scope{s}, Projects: projects}, time.Now())
	w.must(err)
	return text
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// secretProject has a secret in every field that may hold one.
func secretProject() (*brigade.Project, []string) {
	p := brigade.NewProject("acme/app")
	n := 0
	var all []string
	plant := func() string {
		n++
		s := fmt.Sprintf("pl4nted<%02d>&\"quoted\"", n)
		all = append(all, s)
		return s
	}
	p.SharedSecret, p.GenericGatewaySecret, p.Registry.Token = plant(), plant(), plant()
	p.Repo.SSHKey, p.Repo.SSHCert, p.Repo.Token = plant(), plant(), plant()
	p.Secrets = map[string]any{"plain": plant(), "nested": map[string]any{"deep": []any{plant(), map[string]any{"x": plant()}}}}
	password := "pl4nted-in-url"
	all = append(all, password)
	p.Repo.CloneURL = "https://user:" + password + "@example.org/acme/app.git"
	p.GitHub.BaseURL = "https://u:" + password + "@ghe.example.org/"
	p.DefaultScript = "// " + strings.Join(all, " ")
	p.DefaultConfig, p.WorkerCommand = all[0], "run "+all[1]
	p.Schedules = []brigade.Schedule{{Name: "nightly", Cron: "0 3 * * *", Payload: all[2]}}
	return p, all
}

func (w *world) seed() {
	ctx := context.Background()
	var p *brigade.Project
	p, w.secrets = secretProject()
	w.must(w.store.PutProject(ctx, p))
	other := brigade.NewProject("other")
	w.must(w.store.PutProject(ctx, other))
	leak := strings.Join(w.secrets, " ")
	w.build = &brigade.Build{
		ID: "01k0000000000000000000000a", ProjectID: p.ID, Project: p.Name, State: brigade.StateFailed, ExitCode: 2, Attempt: 1,
		Created: epoch, Started: epoch.Add(time.Second), Ended: epoch.Add(time.Minute),
		Failure: &brigade.Error{Code: brigade.CodeBuildFailed, Message: "it said " + leak},
		Event: brigade.Event{
			Provider: "github", Type: "push", Revision: brigade.Revision{Commit: "abc", Ref: "refs/heads/main"}, CloneURL: p.Repo.CloneURL,
			Payload: `{"token":"inst4llation-token","a":"inst4llation-token ` + p.Repo.Token[:9] + `","b":1}`, ShortTitle: "fix " + leak, Script: "console.log(1)", LogLevel: "INFO",
		},
		Script: "// " + leak, History: []brigade.Step{{State: brigade.StateFailed, Time: epoch, Note: leak}},
	}
	w.secrets = append(w.secrets, "inst4llation-token")
	w.create(w.build)
	w.running = &brigade.Build{ID: "01k0000000000000000000000b", ProjectID: p.ID, Project: p.Name, State: brigade.StateRunning, Attempt: 1, Created: epoch, Started: epoch, Event: brigade.Event{Provider: "api", Type: "exec"}}
	w.create(w.running)
	w.create(&brigade.Build{ID: "01k0000000000000000000000c", ProjectID: other.ID, Project: other.Name, State: brigade.StatePending, Created: epoch, Event: brigade.Event{Provider: "api", Type: "exec"}})
	w.job = &brigade.Job{
		ID: "test-" + w.build.ID, BuildID: w.build.ID, Name: "test", State: brigade.StateSucceeded, Attempt: 1, Handle: "container-1",
		Created: epoch, Started: epoch, Ended: epoch.Add(time.Second),
		Spec:    brigade.JobSpec{Name: "test", Image: "alpine:3.20", Tasks: []string{"echo " + leak}, Env: map[string]brigade.EnvValue{"TOKEN": {Value: w.secrets[0]}}},
		Outputs: map[string]any{"leak": leak},
		Artifacts: []brigade.Artifact{
			{Name: "out/report.txt", Size: 10, SHA256: "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"}, {Name: "a.pipe", Size: 4, SHA256: "x"},
		},
	}
	w.must(w.store.PutJob(ctx, w.job))
	w.log(w.build.ID, "", 1, "hello", "wörld \"quoted\" <&>")
	w.log(w.build.ID, w.job.ID, 1, "job line")
}

func (w *world) create(b *brigade.Build) {
	_, err := w.store.CreateBuild(context.Background(), b)
	w.must(err)
}

func (w *world) log(build, job string, from int64, texts ...string) []brigade.LogLine {
	var lines []brigade.LogLine
	for i, text := range texts {
		lines = append(lines, brigade.LogLine{BuildID: build, JobID: job, Seq: from + int64(i), Time: epoch, Text: text})
	}
	w.must(w.store.AppendLog(context.Background(), lines))
	return lines
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. Further arguments are headers: name, value …
func (w *world) do(token, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		w.must(err)
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequest(method, w.server.URL+path, in)
	w.must(err)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	w.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	w.must(err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// want fails the test when the status is another, and reads the answer into v.
func (a answer) want(t *testing.T, status int, v any) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(a.body), v); err != nil {
			t.Fatalf("%v: %s", err, a.body)
		}
	}
	return a
}

// fill puts values into the wildcards of a pattern.
func (w *world) fill(path string) string {
	return strings.NewReplacer(
		"{project}", "acme%2Fapp", "{build}", w.build.ID, "{job}", w.job.ID, "{delivery}", "01k0000000000000000000000b",
		"{name...}", "out/report.txt", "{name}", "plain", "{token}", "01k0000000000000000000000a",
	).Replace(strings.NewReplacer(
		"/project/{id}", "/project/"+brigade.ProjectID("acme/app"), "/build/{id}", "/build/"+w.build.ID, "/job/{id}", "/job/"+w.job.ID,
	).Replace(path))
}
