package intake

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
)

// The gateways of the program, through intake into a store.
func TestTheGatewaysOfTheProgram(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.Handler(gateway.All(gateway.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	p := w.project(t, "acme/app", func(p *brigade.Project) { p.Repository = "github.com/acme/app" })
	ops := w.project(t, "ops", func(p *brigade.Project) {
		p.Subscriptions = []brigade.Subscription{{Provider: "github", Types: []string{"push"}, Filter: `payload.ref == "refs/heads/main"`}}
	})
	event := `{"specversion":"1.0","id":"1","source":"/s","type":"com.example.thing","data":{"ref":"main"}}`
	push := `{"ref":"refs/heads/main","after":"1481a2de7b2a7d02428ad93446ab166be7793fbb","head_commit":{"id":"1481a2de7b2a7d02428ad93446ab166be7793fbb","message":"m"},"repository":{"full_name":"acme/app"},"sender":{"login":"octocat"}}`
	for _, c := range []struct {
		name, path, header, body string
		status                   int
		builds                   []*brigade.Project
	}{
		{"simple", "/simpleevents/v1/" + p.ID + "/path-acme%2Fapp", "", "{}", 200, []*brigade.Project{p}},
		{"simple, wrong", "/simpleevents/v1/" + p.ID + "/wrong", "", "{}", 401, nil},
		{"cloudevent", "/cloudevents/" + p.ID, "Content-Type: application/cloudevents+json\nAuthorization: Bearer path-acme/app", event, 200, []*brigade.Project{p}},
		{"cloudevent, repeated", "/cloudevents/" + p.ID, "Content-Type: application/cloudevents+json\nAuthorization: Bearer path-acme/app", event, 200, nil},
		{"cloudevent, wrong", "/cloudevents/" + p.ID, "Content-Type: application/cloudevents+json\nAuthorization: Bearer wrong", strings.Replace(event, `"id":"1"`, `"id":"2"`, 1), 401, nil},
		{"github", "/events/github", "X-GitHub-Event: push\nX-GitHub-Delivery: d1\nX-Hub-Signature-256: sha256=" + sign("hush-acme/app", []byte(push)), push, 200, []*brigade.Project{p, ops}},
		{"github, repeated", "/events/github", "X-GitHub-Event: push\nX-GitHub-Delivery: d1\nX-Hub-Signature-256: sha256=" + sign("hush-acme/app", []byte(push)), push, 200, nil},
		{"github, wrong", "/events/github", "X-GitHub-Event: push\nX-GitHub-Delivery: d2\nX-Hub-Signature-256: sha256=" + sign("wrong", []byte(push)), push, 401, nil},
	} {
		before := w.builds(t, nil)
		rec := w.do(fuzzRequest("POST", c.path, c.header, c.body))
		if rec.Code/100*100 != c.status/100*100 || c.status == 401 && rec.Code != 401 {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
		var got, want []string
		for _, b := range w.builds(t, nil)[len(before):] {
			got = append(got, b.Project)
		}
		for _, p := range c.builds {
			want = append(want, p.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: builds of %v, want %v", c.name, got, want)
		}
		if rec.Code != 401 {
			continue
		}
		// What was refused can be delivered again, although its secret is not kept.
		if d, err := w.Redeliver(t.Context(), w.last(t).ID, "root"); err != nil || d.Outcome != brigade.OutcomeAccepted {
			t.Errorf("%s, redelivered: %+v, %v", c.name, d, err)
		}
	}
	if text := w.raw(t) + w.logged.String(); strings.Contains(text, "path-acme") || strings.Contains(text, "sha256=") {
		t.Error("a secret was kept")
	}
	// The handshake of CloudEvents' webhooks.
	r := httptest.NewRequest("OPTIONS", "/cloudevents/"+p.ID, nil)
	r.Header.Set("WebHook-Request-Origin", "events.example.org")
	r.Header.Set("Authorization", "Bearer path-acme/app")
	if rec := w.do(r); rec.Code != http.StatusOK || rec.Header().Get("WebHook-Allowed-Origin") == "" {
		t.Errorf("the handshake: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// No two gateways of the program can be told apart by how they refuse.
func TestTheGatewaysRefuseAlike(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.Handler(gateway.All(gateway.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	p := w.project(t, "acme/app", nil)
	body := func(repo string) string {
		data, _ := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": "1481a2de7b2a7d02428ad93446ab166be7793fbb", "repository": map[string]any{"full_name": repo}})
		return string(data)
	}
	for name, pair := range map[string][2]*http.Request{
		"simple":     {fuzzRequest("POST", "/simpleevents/v1/"+p.ID+"/x", "", "{}"), fuzzRequest("POST", "/simpleevents/v1/nope/x", "", "{}")},
		"cloudevent": {fuzzRequest("OPTIONS", "/cloudevents/"+p.ID+"/x", "WebHook-Request-Origin: a.b", ""), fuzzRequest("OPTIONS", "/cloudevents/nope/x", "WebHook-Request-Origin: a.b", "")},
		"github":     {fuzzRequest("POST", "/events/github", "X-GitHub-Event: push", body("acme/app")), fuzzRequest("POST", "/events/github", "X-GitHub-Event: push", body("acme/nope"))},
		"gitea":      {fuzzRequest("POST", "/events/gitea", "X-Gitea-Event: push", body("acme/app")), fuzzRequest("POST", "/events/gitea", "X-Gitea-Event: push", body("acme/nope"))},
		"registry":   {fuzzRequest("POST", "/events/webhook/"+p.ID+"?commit=x", "", `{"push_data":{"tag":"x"},"repository":{"repo_name":"a/b"}}`), fuzzRequest("POST", "/events/webhook/nope?commit=x", "", `{"push_data":{"tag":"x"},"repository":{"repo_name":"a/b"}}`)},
	} {
		known, unknown := w.do(pair[0]), w.do(pair[1])
		if known.Code != 401 || unknown.Code != 401 || known.Body.String() != unknown.Body.String() || len(known.Header()) != len(unknown.Header()) {
			t.Errorf("%s: %d %s, %d %s", name, known.Code, known.Body, unknown.Code, unknown.Body)
		}
	}
}
