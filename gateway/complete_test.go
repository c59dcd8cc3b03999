package gateway_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// server is a forge that answers what routes say and remembers what was asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // method, path, authorization, body
}

func serve(t *testing.T, routes map[string]string) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		auth := r.Header.Get("Authorization") + r.Header.Get("PRIVATE-TOKEN")
		if jwt, ok := strings.CutPrefix(auth, "Bearer ey"); ok && strings.Count(jwt, ".") == 2 {
			auth = "Bearer JWT"
		}
		s.mu.Lock()
		s.asked = append(s.asked, strings.TrimSpace(strings.Join([]string{r.Method, r.URL.EscapedPath(), auth, string(body)}, " ")))
		s.mu.Unlock()
		answer, ok := routes[r.Method+" "+r.URL.EscapedPath()]
		if !ok {
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
			return
		}
		if status, rest, ok := strings.Cut(answer, "!"); ok && len(status) == 3 {
			var code int
			_, _ = fmt.Sscan(status, &code)
			http.Error(w, rest, code)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) expect(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked\n\t%s\nwant\n\t%s", strings.Join(s.asked, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func app(t *testing.T, base string) *forge.App {
	t.Helper()
	a, err := forge.NewApp(forge.AppOptions{ID: 2112, Key: appKey(), BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func completed(t *testing.T, g brigade.Gateway, name string, p *brigade.Project) ([]brigade.Event, error) {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	reading, err := g.Read(brigade.Inbound{Header: headers(t, "testdata/"+name+".headers"), Body: body})
	if err != nil {
		t.Fatal(err)
	}
	if reading.Complete == nil {
		return reading.Events, nil
	}
	return reading.Complete(context.Background(), p, reading.Events)
}

const (
	head    = "6d1f0c9a7be2435f8a90c1d2e3f4a5b6c7d8e9f0"
	tokenOK = `{"token":"ghs_fresh","expires_at":"2099-01-02T03:04:05Z"}`
)

func wrappedOf(t *testing.T, e brigade.Event) map[string]any {
	t.Helper()
	var w map[string]any
	if err := json.Unmarshal([]byte(e.Payload), &w); err != nil {
		t.Fatalf("payload %q: %v", e.Payload, err)
	}
	return w
}

func githubPull(fork bool) string {
	repo, clone := 51230, "https://github.com/acme/app.git"
	if fork {
		repo, clone = 99881, "https://github.com/stranger/app.git"
	}
	return fmt.Sprintf(`{"number":42,"title":"Retry uploads","head":{"ref":"retry","sha":%q,"repo":{"id":%d,"clone_url":%q}},"base":{"ref":"main","repo":{"id":51230}}}`, head, repo, clone)
}

// The payload of a check event has v1's shape, and its token is good for the
// repository that GitHub, not the webhook, names.
func TestCheckEventsCarryAToken(t *testing.T) {
	s := serve(t, map[string]string{
		"GET /repos/acme/app/installation":          `{"id":771}`,
		"POST /app/installations/771/access_tokens": tokenOK,
	})
	g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
	events, err := completed(t, g, "github/check_suite", project("acme/app"))
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		w := wrappedOf(t, e)
		body, _ := w["body"].(map[string]any)
		want := map[string]any{"type": "check_suite", "token": "ghs_fresh", "tokenExpires": "2099-01-02T03:04:05Z", "appID": 2112.0, "installationID": 771.0, "body": body, "commit": head, "branch": "retry"}
		if body["action"] != "requested" || !sameJSON(w, want) {
			t.Errorf("%s: %s", e.Type, e.Payload)
		}
		if e.Untrusted {
			t.Errorf("%s is not trusted", e.Type)
		}
	}
	s.expect(t, "GET /repos/acme/app/installation Bearer JWT", `POST /app/installations/771/access_tokens Bearer JWT {"repositories":["app"]}`)
	if _, err := completed(t, g, "github/check_run", project("acme/app")); err != nil {
		t.Fatal(err)
	}
	if len(s.asked) != 2 {
		t.Errorf("a token that is still good was asked for again: %q", s.asked)
	}
}

func TestTokensStayWhereTheyBelong(t *testing.T) {
	s := serve(t, map[string]string{
		"GET /repos/acme/app/installation":          `{"id":771}`,
		"POST /app/installations/771/access_tokens": tokenOK,
	})
	g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
	subscriber, elsewhere, bold := project("acme/infra"), project("acme/app"), project("acme/app")
	elsewhere.GitHub.BaseURL = "https://evil.example"
	bold.Forks.Script = true
	for what, c := range map[string]struct {
		p    *brigade.Project
		name string
	}{
		"a project that only subscribes":    {subscriber, "github/check_suite"},
		"another GitHub server":             {elsewhere, "github/check_suite"},
		"a fork's own script":               {bold, "github/check_suite-fork"},
		"a comment by a project elsewhere":  {elsewhere, "github/issue_comment-brig-run"},
		"a comment, told to a subscriber":   {subscriber, "github/issue_comment-brig-run"},
		"an event that never carries a one": {project("acme/app"), "github/push"},
	} {
		events, err := completed(t, g, c.name, c.p)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, e := range events {
			if strings.Contains(e.Payload, "ghs_") {
				t.Errorf("%s gets a token: %s", what, e.Type)
			}
		}
	}
	s.expect(t)
	if _, err := completed(t, g, "github/check_suite-fork", project("acme/app")); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "GET /repos/acme/app/installation Bearer JWT",
		`POST /app/installations/771/access_tokens Bearer JWT {"permissions":{"checks":"write"},"repositories":["app"]}`)
	var ignored *brigade.IgnoredError
	other, err := forge.NewApp(forge.AppOptions{ID: 5, Key: appKey(), BaseURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := completed(t, gateway.NewGitHub(gateway.GitHubOptions{App: other}), "github/check_run", project("acme/app")); !errors.As(err, &ignored) {
		t.Errorf("a check of another App: %v", err)
	}
}

// "/brig run" on a pull request: whose commit it is is looked up.
func TestRunComment(t *testing.T) {
	for _, fork := range []bool{false, true} {
		s := serve(t, map[string]string{
			"GET /repos/acme/app/installation":          `{"id":771}`,
			"POST /app/installations/771/access_tokens": tokenOK,
			"GET /repos/acme/app/pulls/42":              githubPull(fork),
		})
		g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
		events, err := completed(t, g, "github/issue_comment-brig-run", project("acme/app"))
		if err != nil || len(events) != 2 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		e := events[1]
		w := wrappedOf(t, e)
		if w["commit"] != head || w["branch"] != "retry" || w["token"] != "ghs_fresh" || w["type"] != "issue_comment" {
			t.Errorf("payload %s", e.Payload)
		}
		if e.Type != "issue_comment:created" || !slices.Equal(e.Also, []string{"brig:run"}) || e.Revision != (brigade.Revision{Commit: head, Ref: "refs/pull/42/head"}) {
			t.Errorf("event %+v", e)
		}
		if e.Untrusted != fork || (e.CloneURL != "") != fork || (e.ScriptRef != "") != fork {
			t.Errorf("fork %v: untrusted %v, clone URL %q, script of %q", fork, e.Untrusted, e.CloneURL, e.ScriptRef)
		}
	}
	s := serve(t, nil)
	g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
	var ignored *brigade.IgnoredError
	if _, err := completed(t, g, "github/issue_comment-stranger", project("acme/app")); !errors.As(err, &ignored) {
		t.Errorf("a stranger's comment: %v", err)
	}
	s.expect(t) // nothing is asked for a stranger
}

func TestRunCommentWithTheProjectsToken(t *testing.T) {
	s := serve(t, map[string]string{"GET /api/v3/repos/acme/app/pulls/42": githubPull(false)})
	p := project("acme/app")
	p.Repo.Token, p.GitHub.BaseURL = "ghp_own", s.URL+"/api/v3/"
	events, err := completed(t, gateway.NewGitHub(gateway.GitHubOptions{}), "github/issue_comment-brig-run", p)
	if err != nil || events[0].Revision.Commit != head || events[0].Untrusted || strings.Contains(events[0].Payload, "ghp_own") {
		t.Errorf("%+v, %v", events, err)
	}
	s.expect(t, "GET /api/v3/repos/acme/app/pulls/42 Bearer ghp_own")
}

func TestGitHubDown(t *testing.T) {
	for _, answer := range []string{"500!down", "200!", "403!"} {
		s := serve(t, map[string]string{"GET /repos/acme/app/installation": answer})
		g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
		_, err := completed(t, g, "github/check_suite", project("acme/app"))
		if brigade.CodeOf(err) != brigade.CodeUnavailable || strings.Contains(err.Error(), "JWT") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestForkPolicy(t *testing.T) {
	all := project("acme/app")
	all.Forks = brigade.Forks{Authors: []string{"*"}, Secrets: true, Script: true}
	only := project("acme/app")
	only.Forks.Authors = []string{"first_time_contributor"}
	g := gateway.NewGitHub(gateway.GitHubOptions{})
	events, err := completed(t, g, "github/pull_request-fork-stranger", all)
	if err != nil || events[0].Untrusted || events[0].ScriptRef != "" || events[0].CloneURL == "" {
		t.Errorf("a project that trusts forks: %+v, %v", events, err)
	}
	events, err = completed(t, g, "github/pull_request-fork-stranger", only)
	if err != nil || !events[0].Untrusted || events[0].ScriptRef != "refs/heads/main" {
		t.Errorf("a project with its own list: %+v, %v", events, err)
	}
	if _, err = completed(t, g, "github/pull_request-fork-member", only); err == nil {
		t.Error("a project with its own list lets others in")
	}
	if events, err = completed(t, g, "github/pull_request-opened", only); err != nil || len(events) != 2 || events[0].Untrusted {
		t.Errorf("a branch of the repository itself: %+v, %v", events, err)
	}
}

func TestCheckSuiteOnPullRequest(t *testing.T) {
	s := serve(t, map[string]string{
		"GET /repos/acme/app/installation":          `{"id":771}`,
		"POST /app/installations/771/access_tokens": tokenOK,
	})
	for _, c := range []struct {
		name  string
		app   *forge.App
		types []string
	}{
		{"github/pull_request-fork-member", app(t, s.URL), []string{"pull_request", "pull_request:opened", "check_suite", "check_suite:requested"}},
		{"github/pull_request-opened", app(t, s.URL), []string{"pull_request", "pull_request:opened"}}, // GitHub sends one
		{"github/pull_request-opened", nil, []string{"pull_request", "pull_request:opened", "check_suite", "check_suite:requested"}},
		{"github/pull_request-labeled", nil, []string{"pull_request", "pull_request:labeled"}},
	} {
		g := gateway.NewGitHub(gateway.GitHubOptions{App: c.app, CheckSuiteOnPR: true})
		events, err := completed(t, g, c.name, project("acme/app"))
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		keys := map[string]bool{}
		for _, e := range events {
			types = append(types, e.Type)
			keys[e.Key] = true
			if !strings.HasPrefix(e.Type, "check_suite") {
				continue
			}
			w := wrappedOf(t, e)
			body := w["body"].(map[string]any)
			suite := body["check_suite"].(map[string]any)
			if w["type"] != "check_suite" || w["commit"] != head || w["branch"] != "retry" || body["action"] != "requested" || suite["head_sha"] != head ||
				body["repository"] == nil || e.Revision.Ref != "refs/pull/42/head" || (w["token"] == "ghs_fresh") != (c.app != nil) {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if !slices.Equal(types, c.types) || len(keys) != len(types) {
			t.Errorf("%s: events %q with keys %v, want %q", c.name, types, keys, c.types)
		}
	}
}

func TestOlderSignatureAndForms(t *testing.T) {
	body, err := os.ReadFile("testdata/github/push.json")
	if err != nil {
		t.Fatal(err)
	}
	form := []byte(url.Values{"payload": {string(body)}}.Encode())
	sum := func(data []byte) string {
		m := hmac.New(sha1.New, []byte(secret))
		m.Write(data)
		return "sha1=" + hex.EncodeToString(m.Sum(nil))
	}
	g := gateway.NewGitHub(gateway.GitHubOptions{Secret: secret})
	try := func(data []byte, kind string, header map[string]string) (brigade.Reading, error) {
		h := http.Header{}
		h.Set("X-GitHub-Event", "push")
		h.Set("Content-Type", kind)
		for name, v := range header {
			h.Set(name, v)
		}
		reading, err := g.Read(brigade.Inbound{Header: h, Body: data})
		if err != nil {
			return reading, err
		}
		return reading, reading.Verify(brigade.NewProject("acme/app")) // the gateway's own secret
	}
	old := map[string]string{"X-Hub-Signature": sum(body)}
	if _, err := try(body, "application/json", old); err != nil {
		t.Errorf("sha1: %v", err)
	}
	reading, err := try(form, "application/x-www-form-urlencoded; charset=utf-8", map[string]string{"X-Hub-Signature-256": "sha256=" + mac(secret, form)})
	if err != nil || reading.Events[0].Payload != string(body) {
		t.Errorf("a form: %v", err)
	}
	both := map[string]string{"X-Hub-Signature": sum(body), "X-Hub-Signature-256": "sha256=" + mac("wrong", body)}
	if _, err := try(body, "application/json", both); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a good sha1 signature outweighs a bad sha256 one: %v", err)
	}
	if _, err := try(body, "application/json", map[string]string{"X-Hub-Signature": "sha256=" + mac(secret, body)}); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a signature of another kind: %v", err)
	}
	if _, err := try([]byte("a=b"), "application/x-www-form-urlencoded", old); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("a form without payload: %v", err)
	}
}

func TestHugeBodies(t *testing.T) {
	huge := []byte(`{"x":"` + strings.Repeat("a", brigade.MaxPayloadBytes) + `"}`)
	for name, f := range forges {
		h := http.Header{}
		for _, event := range []string{"X-GitHub-Event", "X-Gitlab-Event", "X-Gitea-Event", "X-Event-Key"} {
			h.Set(event, "push")
		}
		if _, err := f.gateway.Read(brigade.Inbound{Header: h, Body: huge}); brigade.CodeOf(err) != brigade.CodeTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGitLabAsksWhoTheAuthorIs(t *testing.T) {
	const path = "GET /api/v4/projects/acme%2Ftools%2Fapp/members/all/51"
	for answer, starts := range map[string]bool{
		`{"access_level":30,"state":"active"}`:  true,
		`{"access_level":10,"state":"active"}`:  false,
		`{"access_level":50,"state":"blocked"}`: false,
		`404!{"message":"404 Not found"}`:       false,
	} {
		s := serve(t, map[string]string{path: answer})
		p := project("acme/tools/app")
		p.Repo.CloneURL, p.Repo.Token = s.URL+"/acme/tools/app.git", "glpat-own"
		events, err := completed(t, gateway.NewGitLab(gateway.GitLabOptions{}), "gitlab/merge_request-fork", p)
		var ignored *brigade.IgnoredError
		if starts != (err == nil) || (!starts && !errors.As(err, &ignored)) || (starts && !events[0].Untrusted) {
			t.Errorf("%s: %+v, %v", answer, events, err)
		}
		s.expect(t, path+" glpat-own")
	}
	s := serve(t, map[string]string{path: "500!"})
	p := project("acme/tools/app")
	p.Repo.CloneURL, p.Repo.Token = s.URL+"/acme/tools/app.git", "glpat-own"
	if _, err := completed(t, gateway.NewGitLab(gateway.GitLabOptions{}), "gitlab/merge_request-fork", p); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("GitLab is down: %v", err)
	}
}

func TestGiteaLooksUp(t *testing.T) {
	pull := fmt.Sprintf(`{"number":5,"title":"Retry","head":{"ref":"retry","sha":%q,"repo":{"id":8}},"base":{"ref":"main","repo":{"id":8}}}`, head)
	s := serve(t, map[string]string{
		"GET /api/v1/repos/acme/app/collaborators/stranger/permission": `{"permission":"write"}`,
		"GET /api/v1/repos/acme/app/pulls/5":                           pull,
	})
	p := project("acme/app")
	p.Repo.CloneURL, p.Repo.Token = s.URL+"/acme/app.git", "own"
	g := gateway.NewGitea(gateway.GiteaOptions{})
	if events, err := completed(t, g, "gitea/pull_request-fork", p); err != nil || !events[0].Untrusted {
		t.Errorf("who may write starts builds: %+v, %v", events, err)
	}
	events, err := completed(t, g, "gitea/comment-older-server", p)
	if err != nil || events[0].Revision.Commit != head || events[0].Untrusted || events[0].ScriptRef != "" {
		t.Errorf("the pull request is looked up: %+v, %v", events, err)
	}
	s.expect(t, "GET /api/v1/repos/acme/app/collaborators/stranger/permission token own", "GET /api/v1/repos/acme/app/pulls/5 token own")
}

func TestBitbucketCompletesCommits(t *testing.T) {
	s := serve(t, map[string]string{"GET /2.0/repositories/acme/app/commit/" + head[:12]: `{"hash":"` + head + `"}`})
	p := project("acme/app")
	p.Repo.Token = "own"
	events, err := completed(t, gateway.NewBitbucket(gateway.BitbucketOptions{APIURL: s.URL}), "bitbucket/pullrequest-created", p)
	if err != nil || events[0].Revision != (brigade.Revision{Commit: head, Ref: "refs/heads/retry"}) {
		t.Errorf("%+v, %v", events, err)
	}
	s.expect(t, "GET /2.0/repositories/acme/app/commit/"+head[:12]+" Bearer own")
}

// All lists the gateways under names and routes of their own.
func TestAll(t *testing.T) {
	mux, names := http.NewServeMux(), map[string]bool{}
	for _, g := range gateway.All(gateway.Options{}) {
		if names[g.Name()] || g.Name() == "" {
			t.Errorf("two gateways are called %q", g.Name())
		}
		names[g.Name()] = true
		for _, route := range g.Routes() {
			mux.HandleFunc(route, func(http.ResponseWriter, *http.Request) {}) // panics when two have it
		}
		if _, err := g.Read(brigade.Inbound{Route: g.Routes()[0], Path: func(string) string { return "" }, Header: http.Header{}, Received: time.Unix(0, 0)}); err != nil {
			refusedWell(t, err)
		}
	}
}
