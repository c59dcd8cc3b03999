package web_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

func TestBadges(t *testing.T) {
	w := newWorld(t)
	p, _, _ := small(w)
	at := "/badge/acme/app.svg"
	ada, stranger, acme := w.as("all-token"), w.browser(), w.as("acme-token")
	stranger.get(at).want(404)
	missing, hidden := stranger.get("/badge/acme/none.svg").want(404), stranger.get("/badge/acme/app.svg").want(404)
	if strings.ReplaceAll(missing.body, "acme/none", "") != strings.ReplaceAll(hidden.body, "acme/app", "") {
		t.Error("a project that is hidden can be told from one that is not there")
	}
	a := ada.get(at).want(200).has("failing")
	if c := a.header.Get("Cache-Control"); !strings.HasPrefix(c, "private") {
		t.Errorf("cached as %s", c)
	}
	p.PublicBadge = true
	w.project(p)
	a = stranger.get(at).want(200).has("build", "failing", "#c92a2a")
	for name, want := range map[string]string{"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=30", "Cross-Origin-Resource-Policy": "cross-origin", "Content-Security-Policy": "default-src 'none'"} {
		if got := a.header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	stranger.get(at, "If-None-Match", `W/"x", `+a.header.Get("ETag")).want(http.StatusNotModified)
	stranger.get(at + "?branch=other").want(200).has("unknown")
	stranger.get("/badge/" + p.ID + ".svg").want(200)
	stranger.get("/badge/acme/app").want(404)
	later := func(state brigade.State, ref string, untrusted bool) {
		now := w.now()
		w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: state, Created: now, Started: now, Ended: now, Event: brigade.Event{Type: "push", Untrusted: untrusted, Revision: brigade.Revision{Ref: ref}}})
	}
	later(brigade.StateSucceeded, "refs/pull/1/head", false)
	later(brigade.StateSucceeded, "refs/heads/main", true)
	stranger.get(at).want(200).has("failing")
	stranger.get(at + "?branch=main").want(200).has("failing")
	later(brigade.StateSucceeded, "refs/heads/main", false)
	later(brigade.StateRunning, "refs/heads/main", false)
	stranger.get(at).want(200).has("passing")
	stranger.get(at + "?event=exec").want(200).has("unknown")
	for _, label := range []string{`</text></svg><script>x</script>"'&`, "\x00\xff\x1b", strings.Repeat("ü", 500)} {
		body := stranger.get(at + "?label=" + url.QueryEscape(label)).want(200).lacks("<script").body
		d := xml.NewDecoder(strings.NewReader(body))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("the badge of %q is no XML: %v\n%s", label, err, body)
			}
		}
	}
	other := w.project(brigade.NewProject("secret/one"))
	acme.get("/badge/secret/one.svg").want(404)
	other.PublicBadge = true
	w.project(other)
	acme.get("/badge/secret/one.svg").want(200).has("unknown")
	ada.get("/projects/acme/app?view=settings").want(200).has("Everybody may see it", "[![acme/app]("+w.server.URL+"/badge/acme/app.svg)]("+w.server.URL+"/projects/acme/app)")
	ada.get("/projects/secret/one?view=settings").want(200).has("/badge/secret/one.svg")
}

func TestDeliveriesAreShown(t *testing.T) {
	w := newWorld(t)
	p, b, _ := small(w)
	p.SharedSecret, p.Repository = "sh4red-s3cret", "github.com/acme/app"
	w.project(p)
	w.project(brigade.NewProject("secret/one"))
	named := w.delivery(brigade.Delivery{ID: id.New(w.now()), Time: w.now(), Gateway: "github", Route: "POST /events/github", Project: p.Repository, Status: 200, Outcome: brigade.OutcomeAccepted,
		Types: []string{"push"}, Builds: []string{b.ID}, Bytes: 25, Body: `{"a":{"b":"sh4red-s3cret"`[:24] + "}", Header: http.Header{"X-Github-Event": {"push"}}})
	foreign := w.delivery(brigade.Delivery{ID: id.New(w.now()), Time: w.now(), Gateway: "slack", Route: "POST /x", Project: "secret/one", Status: 401, Outcome: brigade.OutcomeRefused, Reason: "the signature is wrong"})
	subscribed := w.delivery(brigade.Delivery{ID: id.New(w.now()), Time: w.now(), Gateway: "cloudevents", Route: "POST /y", Status: 200, Outcome: brigade.OutcomeRepeat, Types: []string{"com.acme.thing"}, Builds: []string{b.ID}, Bytes: 3})
	at := "/projects/acme/app?view=deliveries"
	ada, acme := w.as("all-token"), w.as("acme-token")
	ada.get(at).want(200).has("github", "com.acme.thing", "/deliveries/"+named.ID).lacks("slack")
	ada.get(at + "&outcome=repeat").want(200).has("com.acme.thing").lacks(">github<")
	ada.get("/deliveries").want(200).has("slack", "the signature is wrong", "secret/one", "github")
	ada.get("/deliveries/"+named.ID).want(200).has("***", "X-Github-Event", b.ID).lacks("sh4red", "Redeliver")
	ada.get("/deliveries/" + subscribed.ID).want(200).has("It was not kept")
	ada.get("/deliveries/nope").want(404)
	acme.get(at).want(200).has("com.acme.thing").lacks("/deliveries/" + subscribed.ID)
	acme.get("/deliveries").want(http.StatusForbidden).lacks("slack")
	acme.get("/").want(200).lacks(`href="/deliveries"`)
	acme.get("/deliveries/" + named.ID).want(200)
	for _, d := range []brigade.Delivery{foreign, subscribed} {
		acme.get("/deliveries/"+d.ID).want(404).lacks("slack", "secret/one")
	}
	again := "/deliveries/" + named.ID + "/redeliver"
	ada.post(again, url.Values{"csrf": {ada.csrf("/projects/acme/app?view=run")}}).want(http.StatusForbidden)
	w.tokens.known["root-token"] = rootIdentity()
	root := w.as("root-token")
	root.post(again, url.Values{"csrf": {"x"}}).want(http.StatusForbidden)
	to := root.post(again, url.Values{"csrf": {root.csrf("/deliveries/" + named.ID)}}).want(http.StatusSeeOther).header.Get("Location")
	root.get(to).want(200).has("redelivery of " + named.ID)
	for range 70 {
		w.delivery(brigade.Delivery{ID: id.New(w.now()), Time: w.now(), Gateway: "github", Project: p.Name, Outcome: brigade.OutcomeIgnored, Reason: "ping"})
	}
	seen := 0
	for path := at; path != ""; {
		a := ada.get(path).want(200)
		seen += strings.Count(a.body, `class="state o-`)
		path = a.next()
	}
	if seen != 73 { // with the redelivery
		t.Errorf("%d deliveries on all pages, want 73", seen)
	}
}

func TestTheScriptAndItsHandlers(t *testing.T) {
	w := newWorld(t)
	p := brigade.NewProject("acme/app")
	p.Secrets = map[string]any{"K": "hunter2hunter2"}
	w.project(p)
	ada, at := w.as("all-token"), "/projects/acme/app?view=script"
	ada.get(at).want(200).has("There is no script yet")
	p.DefaultScript = "events.on('default', f)"
	w.project(p)
	ada.get(at).want(200).has("default", "default script", "none lately")
	add := func(kind, script string, untrusted bool) *brigade.Build {
		now := w.now()
		return w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StateSucceeded, Created: now, Started: now, Ended: now, Script: script, Event: brigade.Event{Type: kind, Untrusted: untrusted, Provider: "github"}})
	}
	add("deploy", "", false)
	b := add("push", "// hunter2hunter2\nevents.on('push', f)\nevents.on('nightly', f)", false)
	add("push", "events.on('evil', f)", true)
	ada.get(at).want(200).has("push", "nightly", `href="#line-3"`, "As it ran in", buildHref(b), "Came lately", "deploy", "?view=run&amp;type=nightly", "***").lacks("evil", "hunter2")
	w.as("reader-token").get(at).want(200).lacks("view=run&amp;type")
	ada.get("/projects/acme/app?view=run&type=nightly").want(200).has(`value="nightly"`)
}

func TestBuildsOfSomeDays(t *testing.T) {
	w := newWorld(t)
	p := w.project(brigade.NewProject("acme/app"))
	today := w.now().UTC().Truncate(24 * time.Hour)
	for i := range 10 {
		at := today.AddDate(0, 0, -i).Add(time.Minute)
		w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StateSucceeded, Created: at, Started: at, Ended: at, Event: brigade.Event{Type: "push"}})
	}
	day := func(ago int) string { return today.AddDate(0, 0, -ago).Format(time.DateOnly) }
	ada := w.as("all-token")
	for query, want := range map[string]int{"": 10, "since=" + day(3): 4, "until=" + day(3): 7, "since=" + day(5) + "&until=" + day(3): 3, "since=x&until=99-99": 10, "since=" + day(-3): 0, "until=0001-01-01": 0} {
		if n := strings.Count(ada.get("/projects/acme/app?"+query).want(200).body, `<tr id="b-`); n != want {
			t.Errorf("%q: %d builds, want %d", query, n, want)
		}
	}
	ada.get("/builds?since=" + day(3)).want(200).has(`name="since" value="` + day(3) + `"`)
}
