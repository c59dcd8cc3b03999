package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func (w *world) project(name string) *brigade.Project {
	w.t.Helper()
	p, err := w.store.Project(context.Background(), name)
	w.must(err)
	return p
}

// TestProjectsGoThereAndBack puts what was shown: nothing may change.
func TestProjectsGoThereAndBack(t *testing.T) {
	changed := 0
	w := newWorld(t, func(o *Options) { o.ProjectsChanged = func() { changed++ } })
	before := w.project("acme/app")
	got := w.do(w.admin, "GET", "/api/projects/acme%2Fapp", nil).want(t, http.StatusOK, nil)
	// What repeats a secret is masked; it is taken out to compare the rest.
	var view map[string]any
	w.must(json.Unmarshal([]byte(got.body), &view))
	view["defaultScript"], view["defaultConfig"], view["workerCommand"] = before.DefaultScript, before.DefaultConfig, before.WorkerCommand
	view["schedules"].([]any)[0].(map[string]any)["payload"] = before.Schedules[0].Payload
	put := w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", view, "If-Match", got.header.Get("ETag")).want(t, http.StatusOK, nil)
	after := w.project("acme/app")
	x, _ := json.Marshal(before)
	y, _ := json.Marshal(after)
	if string(x) != string(y) {
		t.Errorf("putting what was shown changed\n%s\nto\n%s", x, y)
	}
	if put.header.Get("ETag") != got.header.Get("ETag") || changed != 1 {
		t.Errorf("ETag %s became %s, %d changes", got.header.Get("ETag"), put.header.Get("ETag"), changed)
	}
	w.do(w.admin, "GET", "/api/projects/"+before.ID, nil, "If-None-Match", got.header.Get("ETag")).want(t, http.StatusNotModified, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp/secrets/plain", `{"value":"other-value"}`).want(t, http.StatusNoContent, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", view, "If-Match", got.header.Get("ETag")).want(t, http.StatusPreconditionFailed, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", view, "If-None-Match", "*").want(t, http.StatusPreconditionFailed, nil)
	w.do(w.admin, "PUT", "/api/projects/nope", "{}", "If-Match", "*").want(t, http.StatusPreconditionFailed, nil)
}

func TestSecrets(t *testing.T) {
	w := newWorld(t)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", `{"sharedSecret":"","repo":{"token":"REDACTED"},"secrets":{"plain":"REDACTED","new":"n"}}`).want(t, http.StatusOK, nil)
	p := w.project("acme/app")
	if p.SharedSecret != "" || p.Repo.Token == "" || p.Repo.Token == redacted || p.GenericGatewaySecret == "" || len(p.Secrets) != 2 || p.Secrets["plain"] == redacted {
		t.Errorf("%+v", p)
	}
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", `{"secrets":{"unknown":"REDACTED"}}`).want(t, http.StatusBadRequest, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp/secrets/nested", `{"value":{"a":["b"]}}`).want(t, http.StatusNoContent, nil)
	var names struct{ Secrets, Credentials []string }
	w.do(w.reader, "GET", "/api/projects/acme%2Fapp/secrets", nil).want(t, http.StatusOK, &names)
	if strings.Join(names.Secrets, " ") != "nested new plain" || strings.Contains(strings.Join(names.Credentials, " "), "sharedSecret") {
		t.Errorf("%+v", names)
	}
	w.do(w.admin, "DELETE", "/api/projects/acme%2Fapp/secrets/new", nil).want(t, http.StatusNoContent, nil)
	w.do(w.admin, "DELETE", "/api/projects/acme%2Fapp/secrets/new", nil).want(t, http.StatusNotFound, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp/secrets/x", `{}`).want(t, http.StatusBadRequest, nil)
	// A secret that was set just now is masked at once.
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp/secrets/late", `{"value":"console.log"}`).want(t, http.StatusNoContent, nil)
	if got := w.do(w.reader, "GET", "/api/builds/"+w.build.ID, nil); strings.Contains(got.body, "console.log") {
		t.Errorf("a new secret is shown: %s", got.body)
	}
}

// TestSecretsAreCompared finds out whether values are set, and no more.
func TestSecretsAreCompared(t *testing.T) {
	w := newWorld(t)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", `{"sharedSecret":"hook","repo":{"token":"rtok"},"secrets":{"plain":"x","nested":{"b":[1,true],"a":"y"},"empty":""}}`).want(t, http.StatusOK, nil)
	const path = "/api/projects/acme%2Fapp/secrets/compare"
	for body, want := range map[string]string{
		`{"secrets":{"plain":"x","nested":{"a":"y","b":[1,true]}},"credentials":{"sharedSecret":"hook","repo.token":"rtok"}}`:                                      "repo.token secrets.nested secrets.plain sharedSecret",
		`{"secrets":{"plain":"X","nested":{"a":"y"},"unknown":null,"other":"x","empty":""},"credentials":{"sharedSecret":"","repo.sshKey":"","repo.token":"rto"}}`: "secrets.empty",
		`{"secrets":{"plain":null,"nested":null,"empty":null},"credentials":{"nothing":"x"}}`:                                                                      "",
		`{}`: "",
	} {
		var got struct{ Same []string }
		answer := w.do(w.admin, "POST", path, body).want(t, http.StatusOK, &got)
		if strings.Join(got.Same, " ") != want {
			t.Errorf("%s: %s", body, answer.body)
		}
	}
	w.do(w.admin, "POST", path, `{"secrets":{"plain":"REDACTED"}}`).want(t, http.StatusOK, nil)
	w.do(w.admin, "POST", path, `{"other":1}`).want(t, http.StatusBadRequest, nil)
	w.do(w.reader, "POST", path, `{}`).want(t, http.StatusForbidden, nil)
	w.do(w.token(ScopeAdmin, "fresh"), "POST", path, `{}`).want(t, http.StatusNotFound, nil)
	var audit struct{ Entries []struct{ Action string } }
	if got := w.do(w.admin, "GET", "/api/audit", nil).want(t, http.StatusOK, &audit); !strings.Contains(got.body, "secret.compare") {
		t.Errorf("comparing is not written down: %s", got.body)
	}
}

func TestProjectsThatAreRefused(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.CheckProject = func(p *brigade.Project) error {
			if len(p.Subscriptions) > 0 {
				return brigade.Errorf(brigade.CodeInvalid, "the filter does not compile")
			}
			return nil
		}
	})
	for body, want := range map[string]string{
		`null`: "object", `[]`: "", `{`: "early", `{"a":1}`: "unknown field", `{} {}`: "after", `{"limits":{"builds":-1}}`: "negative",
		`{"name":"other"}`: "about", `{"id":"brigade-x"}`: "about", `{"subscriptions":[{}]}`: "compile", `{"limits":{"timeout":"soon"}}`: "", `{"name":"` + strings.Repeat("x", 300) + `"}`: "",
	} {
		got := w.do(w.admin, "PUT", "/api/projects/fresh", body).want(t, http.StatusBadRequest, nil)
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	w.do(w.admin, "PUT", "/api/projects/brigade-x", `{"name":"fresh"}`).want(t, http.StatusBadRequest, nil)
	w.do(w.admin, "PUT", "/api/projects/fresh", "{}", "Content-Type", "text/plain").want(t, http.StatusUnsupportedMediaType, nil)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp", `{"name":"other"}`).want(t, http.StatusConflict, nil)
	limited := w.token(ScopeAdmin, "fresh")
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowHostMounts":true}`).want(t, http.StatusForbidden, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowPrivilegedJobs":false,"repo":{"cloneURL":"file:///srv/others"}}`).want(t, http.StatusForbidden, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{}`).want(t, http.StatusForbidden, nil) // v1's default is that they may be privileged
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowPrivilegedJobs":false}`).want(t, http.StatusCreated, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowPrivilegedJobs":false,"repo":{"cloneURL":"/srv/others"}}`).want(t, http.StatusForbidden, nil)
	w.do(w.admin, "PUT", "/api/projects/fresh", `{"repo":{"cloneURL":"/srv/mine"}}`).want(t, http.StatusOK, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowPrivilegedJobs":false,"repo":{"cloneURL":"/srv/mine"}}`).want(t, http.StatusOK, nil) // it was there
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowPrivilegedJobs":false}`).want(t, http.StatusOK, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{"allowHostMounts":true}`).want(t, http.StatusForbidden, nil)
	w.do(limited, "PUT", "/api/projects/fresh", `{"name":"other2","allowPrivilegedJobs":false}`).want(t, http.StatusOK, nil) // its ID is still theirs
	w.do(limited, "DELETE", "/api/projects/"+brigade.ProjectID("fresh"), nil).want(t, http.StatusNoContent, nil)
}
