package report_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
	"github.com/brigadecore/brigade/v3/gateway/report"
)

const head = "6d1f0c9a7be2435f8a90c1d2e3f4a5b6c7d8e9f0"

var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// place is a forge that remembers what it was asked.
type place struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []request
	answer func(r request) (status int, body string)
}

type request struct {
	Line, Auth string
	Body       map[string]any
}

func newPlace(t *testing.T, answer func(request) (int, string)) *place {
	t.Helper()
	p := &place{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := request{Line: r.Method + " " + r.URL.RequestURI(), Auth: r.Header.Get("Authorization") + r.Header.Get("PRIVATE-TOKEN")}
		if data, _ := io.ReadAll(r.Body); len(data) > 0 {
			if err := json.Unmarshal(data, &asked.Body); err != nil || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: body %q: %v", asked.Line, data, err)
			}
		}
		p.mu.Lock()
		p.asked = append(p.asked, asked)
		p.mu.Unlock()
		status, body := 200, "{}"
		if p.answer != nil {
			status, body = p.answer(asked)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *place) take() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

func at(seconds int) time.Time {
	return time.Date(2026, 11, 2, 9, 0, seconds, 0, time.UTC)
}

func payload(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func build(t *testing.T, provider, kind, name string) *brigade.Build {
	t.Helper()
	return &brigade.Build{
		ID: "01jq0000000000000000000000", ProjectID: "p", Project: "acme/app", State: brigade.StateRunning, Created: at(0), Started: at(1), Attempt: 1,
		Event: brigade.Event{Provider: provider, Type: kind, Payload: payload(t, name), Revision: brigade.Revision{Commit: head, Ref: "refs/heads/main"}},
	}
}

func ended(b *brigade.Build, state brigade.State) *brigade.Build {
	c := *b
	c.State, c.Ended = state, at(64)
	if state == brigade.StateFailed {
		c.Failure = &brigade.Error{Code: brigade.CodeBuildFailed, Message: "job test(test-01jq): it ended with 2\n```\n| x"}
	}
	return &c
}

func jobs() []*brigade.Job {
	return []*brigade.Job{
		{Name: "lint", State: brigade.StateSucceeded, Started: at(1), Ended: at(3)},
		{Name: "test", State: brigade.StateFailed, ExitCode: 2, Attempt: 2, Started: at(3), Ended: at(63)},
	}
}

func reporter(t *testing.T, o report.Forges, e *brigade.Event) brigade.Reporter {
	t.Helper()
	var found brigade.Reporter
	for _, r := range report.All(o) {
		if r.Reports(e) {
			if found != nil {
				t.Fatalf("two reporters for %s", e.Type)
			}
			found = r
		}
	}
	if found == nil {
		t.Fatalf("no reporter for %s of %s", e.Type, e.Provider)
	}
	return found
}

func githubApp(t *testing.T, base string) *forge.App {
	t.Helper()
	app, err := forge.NewApp(forge.AppOptions{ID: 2112, Key: appKey(), BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestCheckRuns(t *testing.T) {
	var kept []map[string]any // GitHub's check runs
	s := newPlace(t, func(r request) (int, string) {
		switch {
		case strings.HasSuffix(r.Line, "/installation"):
			return 200, `{"id":771}`
		case strings.HasSuffix(r.Line, "/access_tokens"):
			return 201, `{"token":"ghs_x","expires_at":"2099-01-01T00:00:00Z"}`
		case strings.HasPrefix(r.Line, "GET /repos/acme/app/commits/"):
			list, _ := json.Marshal(map[string]any{"check_runs": kept})
			return 200, string(list)
		case strings.HasPrefix(r.Line, "POST "):
			kept = append(kept, map[string]any{"id": 40 + len(kept), "external_id": r.Body["external_id"], "name": r.Body["name"]})
			return 201, fmt.Sprintf(`{"id":%d}`, 39+len(kept))
		}
		return 200, "{}"
	})
	o := report.Forges{App: githubApp(t, s.URL), BaseURL: "https://ci.example/"}
	p := brigade.NewProject("acme/app")
	b := build(t, "github", "push", "github/push")
	r := reporter(t, o, &b.Event)
	tell := func(r brigade.Reporter, b *brigade.Build) []request {
		t.Helper()
		if err := r.Report(context.Background(), p, b, jobs()); err != nil {
			t.Fatal(err)
		}
		return s.take()
	}
	asked := tell(r, b)
	if len(asked) != 4 || asked[1].Body["permissions"].(map[string]any)["checks"] != "write" {
		t.Fatalf("asked %+v", asked)
	}
	made := asked[3]
	wants(t, made, "POST /repos/acme/app/check-runs", "Bearer ghs_x", map[string]any{
		"name": "Brigade: push", "head_sha": head, "external_id": "brigade-report:01jq0000000000000000000000",
		"details_url": "https://ci.example/builds/01jq0000000000000000000000", "status": "in_progress", "started_at": "2026-11-02T09:00:01Z",
	})
	if asked = tell(r, b); len(asked) != 1 || asked[0].Line != "PATCH /repos/acme/app/check-runs/40" {
		t.Errorf("the same state again: %+v", asked)
	}
	asked = tell(r, ended(b, brigade.StateFailed))
	if len(asked) != 1 {
		t.Fatalf("asked %+v", asked)
	}
	wants(t, asked[0], "PATCH /repos/acme/app/check-runs/40", "Bearer ghs_x", map[string]any{
		"status": "completed", "conclusion": "failure", "completed_at": "2026-11-02T09:01:04Z",
	})
	output := asked[0].Body["output"].(map[string]any)
	summary := output["summary"].(string)
	for _, part := range []string{"| lint | succeeded | 2s |", "| test | failed (2), attempt 2 | 1m0s |", "01jq0000000000000000000000", "```text\njob test(test-01jq): it ended with 2\n'''\n| x\n```"} {
		if !strings.Contains(summary, part) {
			t.Errorf("the summary has no %q:\n%s", part, summary)
		}
	}
	if output["title"] != "job test(test-01jq): it ended with 2 ``` | x" {
		t.Errorf("title %q", output["title"])
	}
	// Another process finds the check run again.
	again := reporter(t, o, &b.Event)
	asked = tell(again, ended(b, brigade.StateSucceeded))
	if last := asked[len(asked)-1]; last.Line != "PATCH /repos/acme/app/check-runs/40" || last.Body["conclusion"] != "success" {
		t.Errorf("after a restart: %+v", asked)
	}
	// A build that is run again as a whole gets another one.
	retried := *b
	retried.Retries = 1
	asked = tell(again, &retried)
	if last := asked[len(asked)-1]; last.Line != "POST /repos/acme/app/check-runs" || last.Body["external_id"] != "brigade-report:01jq0000000000000000000000.1" {
		t.Errorf("a retry: %+v", asked)
	}
	for state, word := range map[brigade.State]string{brigade.StateCanceled: "cancelled", brigade.StateSucceeded: "success"} {
		asked = tell(again, ended(b, state))
		if last := asked[len(asked)-1]; last.Body["conclusion"] != word {
			t.Errorf("%s: %+v", state, last.Body)
		}
	}
}

func wants(t *testing.T, got request, line, auth string, body map[string]any) {
	t.Helper()
	if got.Line != line || got.Auth != auth {
		t.Errorf("asked %q with %q, want %q with %q", got.Line, got.Auth, line, auth)
	}
	for field, want := range body {
		if got.Body[field] != want {
			t.Errorf("%s: %s is %v, want %v", line, field, got.Body[field], want)
		}
	}
}

func TestStatuses(t *testing.T) {
	const id = "01jq0000000000000000000000"
	for _, c := range []struct {
		name, provider, kind, file, project string
		line, auth                          string
		running, good, bad, canceled        string
		stateField                          string
		body                                map[string]any
	}{
		{
			name: "GitHub without an App", provider: "github", kind: "push", file: "github/push", project: "acme/app",
			line: "POST /api/v3/repos/acme/app/statuses/" + head, auth: "Bearer own", running: "pending", good: "success", bad: "failure", canceled: "error", stateField: "state",
			body: map[string]any{"context": "brigade/push", "target_url": "https://ci.example/builds/" + id},
		},
		{
			name: "GitLab", provider: "gitlab", kind: "push", file: "gitlab/push", project: "acme/tools/app",
			line: "POST /api/v4/projects/acme%2Ftools%2Fapp/statuses/" + head, auth: "own", running: "running", good: "success", bad: "failed", canceled: "canceled", stateField: "state",
			body: map[string]any{"name": "brigade/push", "ref": "main", "target_url": "https://ci.example/builds/" + id},
		},
		{
			name: "Gitea", provider: "gitea", kind: "push", file: "gitea/push", project: "acme/app",
			line: "POST /api/v1/repos/acme/app/statuses/" + head, auth: "token own", running: "pending", good: "success", bad: "failure", canceled: "error", stateField: "state",
			body: map[string]any{"context": "brigade/push", "target_url": "https://ci.example/builds/" + id},
		},
		{
			name: "Bitbucket Server", provider: "bitbucket", kind: "pr:opened", file: "bitbucket/server-pr-opened", project: "ACME/app",
			line: "POST /rest/build-status/1.0/commits/" + head, auth: "Bearer own", running: "INPROGRESS", good: "SUCCESSFUL", bad: "FAILED", canceled: "FAILED", stateField: "state",
			body: map[string]any{"name": "brigade/pr", "url": "https://ci.example/builds/" + id},
		},
		{
			name: "Bitbucket Cloud", provider: "bitbucket", kind: "repo:push", file: "bitbucket/push", project: "acme/app",
			line: "POST /2.0/repositories/acme/app/commit/" + head + "/statuses/build", auth: "Bearer own", running: "INPROGRESS", good: "SUCCESSFUL", bad: "FAILED", canceled: "STOPPED", stateField: "state",
			body: map[string]any{"name": "brigade/repo:push", "url": "https://ci.example/builds/" + id},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPlace(t, nil)
			o := report.Forges{BaseURL: "https://ci.example", BitbucketAPI: s.URL}
			p := brigade.NewProject(c.project)
			p.Repo.Token = "own"
			switch c.name {
			case "Bitbucket Cloud":
				p.Repo.CloneURL = "git@bitbucket.org:acme/app.git"
			case "GitHub without an App":
				p.GitHub.BaseURL, p.Repo.CloneURL = s.URL+"/api/v3", s.URL+"/acme/app.git"
			default:
				p.Repo.CloneURL = s.URL + "/" + c.project + ".git"
			}
			b := build(t, c.provider, c.kind, c.file)
			if c.kind == "pr:opened" {
				b.Event.Also = []string{"pr"}
			}
			r := reporter(t, o, &b.Event)
			for state, word := range map[brigade.State]string{brigade.StateRunning: c.running, brigade.StateSucceeded: c.good, brigade.StateFailed: c.bad, brigade.StateCanceled: c.canceled} {
				if err := r.Report(context.Background(), p, ended(b, state), jobs()); err != nil {
					t.Fatal(err)
				}
				asked := s.take()
				if len(asked) != 1 {
					t.Fatalf("asked %+v", asked)
				}
				wants(t, asked[0], c.line, c.auth, c.body)
				wants(t, asked[0], c.line, c.auth, map[string]any{c.stateField: word})
				if text, _ := asked[0].Body["description"].(string); text == "" || len([]rune(text)) > 140 {
					t.Errorf("description %q", text)
				}
				if key, there := asked[0].Body["key"].(string); there && len(key) > 40 {
					t.Errorf("key %q", key)
				}
			}
			// Nobody else's repository, and nothing without a token.
			stranger := *p
			stranger.Name, stranger.Repository, stranger.Repo.CloneURL = "acme/infra", "acme/infra", strings.ReplaceAll(p.Repo.CloneURL, c.project, "acme/infra")
			poor := *p
			poor.Repo.Token = ""
			for _, other := range []*brigade.Project{&stranger, &poor} {
				if err := r.Report(context.Background(), other, b, nil); err != nil {
					t.Error(err)
				}
			}
			if asked := s.take(); len(asked) != 0 {
				t.Errorf("asked %+v", asked)
			}
		})
	}
}

func TestTokensAreNotSentElsewhere(t *testing.T) {
	s := newPlace(t, nil)
	o := report.Forges{App: nil, BitbucketAPI: s.URL, GitLabURL: s.URL}
	p := brigade.NewProject("acme/app")
	p.Repo = brigade.Repo{Token: "own", CloneURL: "https://git.elsewhere.example/acme/app.git"}
	p.GitHub.BaseURL = s.URL
	for _, b := range []*brigade.Build{build(t, "github", "push", "github/push"), build(t, "bitbucket", "repo:push", "bitbucket/push")} {
		if err := reporter(t, o, &b.Event).Report(context.Background(), p, b, nil); err != nil {
			t.Error(err)
		}
	}
	if asked := s.take(); len(asked) != 0 {
		t.Errorf("asked %+v", asked)
	}
}

// A report must not lead to another one.
func TestConsequencesAreNotReported(t *testing.T) {
	s := newPlace(t, nil)
	o := report.Forges{App: githubApp(t, s.URL)}
	for _, e := range []brigade.Event{
		{Provider: "github", Type: "status"}, {Provider: "github", Type: "check_run:completed"}, {Provider: "github", Type: "check_suite:completed"},
		{Provider: "github", Type: "deployment_status:created"}, {Provider: "gitlab", Type: "pipeline"}, {Provider: "brigade-cli", Type: "exec"},
	} {
		e.Revision.Commit = head
		for _, r := range report.All(o) {
			if r.Reports(&e) {
				t.Errorf("%s of %s is reported", e.Type, e.Provider)
			}
		}
	}
	for _, e := range []brigade.Event{{Provider: "github", Type: "push"}, {Provider: "github", Type: "push", Revision: brigade.Revision{Commit: head[:12]}}} {
		for _, r := range report.All(o) {
			if r.Reports(&e) {
				t.Errorf("an event without a commit is reported: %+v", e)
			}
		}
	}
	b := build(t, "github", "check_run", "github/check_run")
	b.Event.Payload = `{"type":"check_run","token":"x","body":` + strings.Replace(b.Event.Payload, `"rerequested"`, `"completed"`, 1) + `}`
	if err := reporter(t, o, &b.Event).Report(context.Background(), brigade.NewProject("acme/app"), b, nil); err != nil {
		t.Error(err)
	}
	if asked := s.take(); len(asked) != 0 {
		t.Errorf("asked %+v", asked)
	}
}

func TestGitLabHasTheStateAlready(t *testing.T) {
	s := newPlace(t, func(request) (int, string) {
		return 400, `{"message":"Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")"}`
	})
	p := brigade.NewProject("acme/tools/app")
	p.Repo = brigade.Repo{Token: "own", CloneURL: s.URL + "/acme/tools/app.git"}
	b := build(t, "gitlab", "push", "gitlab/push")
	if err := reporter(t, report.Forges{}, &b.Event).Report(context.Background(), p, b, nil); err != nil {
		t.Error(err)
	}
}

func TestAppThatIsNotInstalled(t *testing.T) {
	s := newPlace(t, func(r request) (int, string) {
		if strings.HasSuffix(r.Line, "/installation") {
			return 404, `{"message":"Not Found"}`
		}
		return 201, "{}"
	})
	p := brigade.NewProject("acme/app")
	b := build(t, "github", "push", "github/push")
	o := report.Forges{App: githubApp(t, s.URL)}
	if err := reporter(t, o, &b.Event).Report(context.Background(), p, b, nil); forge.StatusOf(err) != 404 {
		t.Errorf("without a token: %v", err)
	}
	s.take()
	p.Repo.Token = "own"
	if err := reporter(t, o, &b.Event).Report(context.Background(), p, b, nil); err != nil {
		t.Error(err)
	}
	if asked := s.take(); len(asked) != 2 || asked[1].Line != "POST /repos/acme/app/statuses/"+head || asked[1].Auth != "Bearer own" {
		t.Errorf("asked %+v", asked)
	}
}
