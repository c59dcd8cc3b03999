package web_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/web"
)

// small is a project with one build that failed.
func small(w *world) (*brigade.Project, *brigade.Build, *brigade.Job) {
	p := w.project(brigade.NewProject("acme/app"))
	now := w.now()
	b := w.build(&brigade.Build{
		ProjectID: p.ID, Project: p.Name, State: brigade.StateFailed, Attempt: 1, Created: now.Add(-10 * time.Minute), Started: now.Add(-10*time.Minute + time.Second), Ended: now.Add(-8 * time.Minute),
		Event:  brigade.Event{Provider: "github", Type: "push", ShortTitle: "fix the fix", Payload: `{"deep":{"er":[1,"two",null]}}`, Revision: brigade.Revision{Ref: "refs/heads/main", Commit: "4f2a9b1c77d0e35566aa"}},
		Script: "console.log(1)\n", ExitCode: 1, Failure: brigade.Errorf(brigade.CodeBuildFailed, "job test failed"),
	})
	j := w.ran(b, "test", brigade.StateFailed, 0, time.Second, 0, time.Minute)
	w.log(b.ID, j.ID, 1, now, "hello", "\x1b[1;31mred\x1b[0m <b>")
	w.log(b.ID, "", 1, now, "script line")
	return p, b, j
}

func TestWhoIsNotLoggedInSeesNothing(t *testing.T) {
	w := newWorld(t)
	_, b, j := small(w)
	stranger := w.browser()
	for _, path := range []string{"/", "/builds", "/projects/acme/app", "/builds/" + b.ID, "/builds/" + b.ID + "/log", "/builds/" + b.ID + "/jobs/" + j.Name} {
		a := stranger.get(path).want(http.StatusSeeOther)
		if to := a.header.Get("Location"); !strings.HasPrefix(to, "/login") {
			t.Errorf("%s leads to %s", path, to)
		}
		stranger.get(path, "Accept", "text/event-stream").want(http.StatusForbidden).lacks("acme")
	}
	for _, path := range []string{"/log/lines", "/log/search?q=a", "/log/text", "/payload"} {
		stranger.get("/builds/"+b.ID+path, "Accept", "application/json").want(http.StatusForbidden).lacks("script line")
	}
	w.as("sender-token").get("/").want(http.StatusForbidden)
	acme := w.as("acme-token")
	acme.get("/builds/" + b.ID).want(200)
	other := w.project(brigade.NewProject("secret/one"))
	hidden := w.build(&brigade.Build{ProjectID: other.ID, Project: other.Name, State: brigade.StateRunning, Created: w.now(), Started: w.now()})
	for _, path := range []string{"/projects/secret/one", "/projects/" + other.ID, "/builds/" + hidden.ID, "/builds/" + hidden.ID[:20], "/builds/" + hidden.ID + "/log"} {
		acme.get(path).want(http.StatusNotFound).lacks("secret/one</a>")
	}
	acme.get("/").want(200).lacks("secret/one")
	acme.get("/builds").want(200).lacks("secret/one")
	acme.post("/builds/"+hidden.ID+"/cancel", url.Values{"csrf": {acme.csrf("/builds/" + b.ID)}}).want(http.StatusNotFound)
}

func TestSessions(t *testing.T) {
	w := newWorld(t, func(o *web.Options) { o.Limits.Sessions = 3; o.Limits.Failures = 4 })
	small(w)
	b := w.browser()
	b.get("/login?next=/builds").want(200).has(`value="/builds"`)
	a := b.post("/login", url.Values{"token": {"all-token"}, "next": {"/builds?state=failed"}}).want(http.StatusSeeOther)
	if a.header.Get("Location") != "/builds?state=failed" {
		t.Errorf("leads to %s", a.header.Get("Location"))
	}
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(a.header.Get("Set-Cookie"), want) {
			t.Errorf("cookie %q lacks %s", a.header.Get("Set-Cookie"), want)
		}
	}
	if strings.Contains(a.header.Get("Set-Cookie"), "all-token") {
		t.Error("the cookie holds the token")
	}
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "/login"} {
		if to := w.browser().post("/login", url.Values{"token": {"all-token"}, "next": {next}}).want(http.StatusSeeOther).header.Get("Location"); to != "/" {
			t.Errorf("next %q leads to %s", next, to)
		}
	}
	b.get("/").want(http.StatusSeeOther) // three newer sessions pushed it out
	b = w.as("reader-token")
	b.get("/").want(200)
	w.tokens.revoke("reader-token")
	b.get("/").want(http.StatusSeeOther)
	b = w.as("all-token")
	b.post("/logout", url.Values{}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
	b.get("/").want(200)
	b.post("/logout", url.Values{}).want(http.StatusSeeOther)
	b.get("/").want(http.StatusSeeOther)
	w.tokens.down = true
	w.browser().post("/login", url.Values{"token": {"all-token"}}).want(http.StatusServiceUnavailable)
	w.tokens.down = false
	for range 4 {
		w.browser().post("/login", url.Values{"token": {"wrong"}}).want(http.StatusUnauthorized)
	}
	w.browser().post("/login", url.Values{"token": {"all-token"}}).want(http.StatusTooManyRequests)
}

func TestWhoNeedsNoToken(t *testing.T) {
	w := newWorld(t)
	_, b, _ := small(w)
	w.tokens.anonymous = &web.Identity{Name: "local", Read: true, Act: true}
	local := w.browser()
	local.get("/").want(200).has("acme/app").lacks("Log out")
	token := local.csrf("/builds/" + b.ID)
	local.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {token}}, "Origin", "https://evil.example").want(http.StatusForbidden)
	local.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {""}}).want(http.StatusForbidden)
	local.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {token}}).want(http.StatusSeeOther)
	if w.as("all-token").csrf("/builds/"+b.ID) == token {
		t.Error("a session has the form token of those without one")
	}
}

func TestSecureCookiesBehindTLS(t *testing.T) {
	w := newWorld(t, func(o *web.Options) { o.Secure = true })
	k := w.browser().post("/login", url.Values{"token": {"all-token"}}).want(http.StatusSeeOther).header.Get("Set-Cookie")
	if !strings.HasPrefix(k, "__Host-") || !strings.Contains(k, "Secure") {
		t.Errorf("cookie %q", k)
	}
}

func TestFormsNeedTheirToken(t *testing.T) {
	w := newWorld(t)
	_, b, j := small(w)
	running := w.build(&brigade.Build{ProjectID: b.ProjectID, Project: b.Project, State: brigade.StateRunning, Created: w.now(), Started: w.now(), Event: brigade.Event{Type: "exec"}})
	ada := w.as("all-token")
	good := ada.csrf("/builds/" + b.ID)
	for _, path := range []string{"/builds/" + running.ID + "/cancel", "/builds/" + b.ID + "/rerun", "/projects/acme/app", "/builds/" + b.ID + "/jobs/" + j.Name + "/cancel"} {
		for _, token := range []string{"", "wrong", w.as("all-token").csrf("/builds/" + b.ID)} {
			ada.post(path, url.Values{"csrf": {token}, "type": {"exec"}}).want(http.StatusForbidden)
		}
		ada.post(path, url.Values{"csrf": {good}, "type": {"exec"}}, "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
		ada.post(path, url.Values{"csrf": {good}, "type": {"exec"}}, "Origin", "https://evil.example").want(http.StatusForbidden)
		w.browser().post(path, url.Values{"csrf": {good}, "type": {"exec"}}).want(http.StatusForbidden)
		ada.get(path + "?csrf=" + good).lacks("canceled</span></h1>")
	}
	reader := w.as("reader-token")
	reader.get("/builds/"+running.ID).want(200).lacks("/cancel", "/rerun")
	if len(w.subs) != 0 {
		t.Errorf("%d builds were started", len(w.subs))
	}
	at := ada.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {good}, "only": {"failed"}, "nonce": {"n1"}}).want(http.StatusSeeOther).header.Get("Location")
	again := ada.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {good}, "only": {"failed"}, "nonce": {"n1"}}).want(http.StatusSeeOther).header.Get("Location")
	if at != again {
		t.Errorf("the same form made two builds: %s and %s", at, again)
	}
	if s := w.subs[0]; s.RerunOf != b.ID || !s.Inherit || s.Actor != "ada" || w.events[0].Payload != b.Event.Payload || w.events[0].Actor != "ada" {
		t.Errorf("submitted %+v", s)
	}
	ada.get(at).want(200).has("Rerun of", "a free runner")
	ada.post("/builds/"+running.ID+"/cancel", url.Values{"csrf": {good}}).want(http.StatusSeeOther)
	ada.get("/builds/" + running.ID).has("canceled")
	ada.post("/builds/"+running.ID+"/cancel", url.Values{"csrf": {good}}).want(http.StatusConflict).has("has ended")
	at = ada.post("/projects/acme/app", url.Values{"csrf": {good}, "type": {"deploy"}, "payload": {"{\r\n}"}, "ref": {"refs/heads/x"}}).want(http.StatusSeeOther).header.Get("Location")
	ada.get(at).want(200).has("deploy")
	if e := w.events[len(w.events)-1]; e.Payload != "{\n}" || e.Revision.Ref != "refs/heads/x" || e.Provider != "web" {
		t.Errorf("event %+v", e)
	}
	ada.post("/projects/acme/app", url.Values{"csrf": {good}, "type": {""}}).want(http.StatusBadRequest)
	ada.post("/projects/acme/app", url.Values{"csrf": {good}, "type": {"x"}, "payload": {strings.Repeat("x", 3<<20)}}).want(http.StatusRequestEntityTooLarge)
	if n := len(w.audited); n < 20 || w.audited[n-1].Err == nil || w.audited[n-1].Actor != "ada" {
		t.Errorf("%d actions were audited", n)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	w := newWorld(t)
	_, b, j := small(w)
	ada := w.as("all-token")
	for _, path := range []string{"/", "/login", "/builds", "/projects/acme/app?view=run", "/builds/" + b.ID, "/builds/" + b.ID + "/jobs/" + j.Name, "/nowhere", "/builds/" + b.ID + "/log/text"} {
		a := ada.get(path)
		csp := a.header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, a.header)
		}
		a.lacks("<script>", " style=", " onclick=", "http://fonts", "//cdn")
	}
	ada.get("/nowhere").want(404).has("nothing at this address", "<title>Not found")
	ada.get("/builds/nope").want(404)
	ada.get("/projects/nope?view=run").want(404)
	ada.get("/builds/" + b.ID[:12]).want(http.StatusFound)
	for _, path := range []string{"/builds/%00", "/builds/" + strings.Repeat("a", 3000), "/projects/%2e%2e%2f%2e%2e", "/builds?before=%ff&state=x&type=%00", "/builds/" + b.ID + "/jobs/test/lines?after=-1&limit=99999999", "/?from=-7", "/?from=999999999999999999999"} {
		if a := ada.get(path); a.status >= 500 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestPagesSayWhatThereIs(t *testing.T) {
	w := newWorld(t)
	p, b, _ := small(w)
	p.Secrets = map[string]any{"DEPLOY_KEY": "s3cr3t-value", "nested": map[string]any{"a": "inner-s3cr3t"}}
	p.SharedSecret = "sh4red-s3cr3t"
	p.Repo.CloneURL = "https://u:p4ssword@example.org/x.git"
	p.DefaultScript = "// s3cr3t-value"
	p.Repository = "github.com/acme/app"
	p.Schedules = []brigade.Schedule{{Name: "nightly", Cron: "0 3 * * *"}}
	p.Subscriptions = []brigade.Subscription{{Provider: "github", Types: []string{"push"}, Filter: `event.ref == "s3cr3t-value"`}}
	w.project(p)
	w.update(b.ID, func(b *brigade.Build) {
		b.Event.ShortTitle = "leaks s3cr3t-value"
		b.Event.Payload = `{"token":"inst4llation","x":"inner-s3cr3t inst4llation"}`
		b.Script = "// sh4red-s3cr3t"
		b.Failure = brigade.Errorf(brigade.CodeBuildFailed, "said inner-s3cr3t")
	})
	j, _ := w.store.Job(t.Context(), "test-"+b.ID)
	j.Outputs = map[string]any{"s3cr3t-value": []any{"inner-s3cr3t", 1}}
	j.Artifacts = []brigade.Artifact{{Name: "out/report.txt", Size: 16}}
	j.Spec.Tasks = []string{"echo s3cr3t-value"}
	w.job(j)
	ada := w.as("all-token")
	at := "/builds/" + b.ID
	for path, has := range map[string][]string{
		"/":                                {"acme/app", "0%", "Projects · Brigade"},
		"/projects/acme/app":               {"leaks ***", "github.com/acme/app"},
		"/projects/acme/app?view=settings": {"DEPLOY_KEY", "nested", "sharedSecret", "nightly", "0 3 * * *", "push"},
		"/projects/acme/app?view=run&from=" + b.ID: {"refs/heads/main"},
		at:                {"row-script", "https://github.com/acme/app/commit/4f2a9b1c77d0e35566aa", "Rerun failed", "out/report.txt", "exit code"},
		at + "/event":     {"***", "payload"},
		at + "/script":    {"***"},
		at + "/payload":   {"***"},
		at + "/jobs/test": {"echo ***", "b f1", "red"},
	} {
		ada.get(path).want(200).has(has...).lacks("s3cr3t-value", "inner-s3cr3t", "sh4red", "p4ssword", "inst4llation")
	}
	a := ada.get(at + "/jobs/test/artifacts/out/report.txt").want(200)
	if a.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(a.header.Get("Content-Disposition"), "attachment") || len(a.body) != 16 {
		t.Errorf("artifact: %v, %d bytes", a.header, len(a.body))
	}
	ada.get(at + "/jobs/test/artifacts/other").want(404)
	ada.get(at+"/jobs/test/lines?after=1&limit=5", "Accept", "application/json").want(200).has(`"n":2`, `["red","b f1"]`, `[" \u003cb\u003e"]`)
	ada.get(at+"/jobs/test/search?q=RED", "Accept", "application/json").want(200).has(`{"hits":[2],"more":false}`)
	if got := ada.get(at + "/jobs/test/text").want(200).body; got != "hello\nred <b>\n" {
		t.Errorf("text: %q", got)
	}
}

func TestFirstViewOfALargeBuild(t *testing.T) {
	w := newWorld(t)
	b := w.large(w.project(brigade.NewProject("acme/app")), 50)
	ada := w.as("all-token")
	ada.get("/builds/" + b.ID).want(200)
	var bytesAll int
	begun := time.Now()
	page := ada.get("/builds/"+b.ID, "Accept-Encoding", "gzip").want(200)
	took := time.Since(begun)
	bytesAll += len(page.body)
	z, err := gzip.NewReader(strings.NewReader(page.body))
	w.must(err)
	html, err := io.ReadAll(z)
	w.must(err)
	for _, one := range assetsIn(html) {
		bytesAll += len(ada.get(one, "Accept-Encoding", "gzip").want(200).body)
	}
	t.Logf("a build with 50 jobs: %v until its page is there, %d bytes of it compressed (%d plain), %d with style and script", took, len(page.body), len(html), bytesAll)
	if bytesAll > 100<<10 {
		t.Errorf("%d bytes over the wire, more than 100 KiB", bytesAll)
	}
	if n := bytes.Count(html, []byte(`class="row`)); n != 52 { // the list, the script and the jobs
		t.Errorf("%d rows", n)
	}
}

func assetsIn(html []byte) (list []string) {
	for _, part := range strings.Split(string(html), `"/assets/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		list = append(list, "/assets/"+name)
	}
	return list
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	w := newWorld(t)
	p := w.project(brigade.NewProject("acme/app"))
	other := w.project(brigade.NewProject("other"))
	for i := range 130 {
		state := brigade.StateSucceeded
		if i%10 == 0 {
			state = brigade.StateFailed
		}
		of := p
		if i%2 == 1 {
			of = other
		}
		at := w.now().Add(time.Duration(i-200) * time.Minute)
		w.build(&brigade.Build{ProjectID: of.ID, Project: of.Name, State: state, Created: at, Started: at, Ended: at.Add(time.Minute), Event: brigade.Event{Type: "push", ShortTitle: fmt.Sprintf("number-%03d", i)}})
	}
	acme := w.as("acme-token")
	seen, path := 0, "/builds"
	for path != "" {
		a := acme.get(path).want(200).lacks("other</a>")
		seen += strings.Count(a.body, `<tr id="b-`)
		path = a.next()
	}
	if seen != 65 {
		t.Errorf("%d builds on all pages, want 65", seen)
	}
	if n := strings.Count(acme.get("/projects/acme/app?state=failed").body, `<tr id="b-`); n != 13 {
		t.Errorf("%d failed builds, want 13", n)
	}
	acme.get("/builds?q=number-128").want(200).has("number-128").lacks("number-126")
	acme.get("/builds?q=%22%3E%3Cscript%3E").want(200).has("No build is like that").lacks(`"><script>`)
}

func TestAStreamTellsOfChanges(t *testing.T) {
	w := newWorld(t)
	p := w.project(brigade.NewProject("acme/app"))
	b := w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StateRunning, Created: w.now(), Started: w.now(), Event: brigade.Event{Type: "exec"}})
	ada := w.as("all-token")
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.server.URL+"/builds/"+b.ID, nil)
	w.must(err)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := ada.client.Do(r)
	w.must(err)
	defer resp.Body.Close()
	events := make(chan string, 100)
	go func() {
		defer close(events)
		var all []byte
		buf := make([]byte, 64<<10)
		for {
			n, err := resp.Body.Read(buf)
			all = append(all, buf[:n]...)
			for {
				one, rest, ok := bytes.Cut(all, []byte("\n\n"))
				if !ok {
					break
				}
				events <- string(one)
				all = rest
			}
			if err != nil {
				return
			}
		}
	}()
	wait := func(text string) {
		t.Helper()
		for {
			select {
			case e, ok := <-events:
				if !ok {
					t.Fatalf("the stream ended before %q", text)
				}
				if strings.Contains(e, text) {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no %q", text)
			}
		}
	}
	wait("No job has been started yet")
	w.job(&brigade.Job{Name: "lint", BuildID: b.ID, State: brigade.StatePulling, Created: w.now(), History: []brigade.Step{{State: brigade.StatePulling, Time: w.now()}}})
	wait("jobs/lint")
	w.update(b.ID, func(b *brigade.Build) { b.State, b.Ended = brigade.StateSucceeded, w.now() })
	wait("succeeded")
	wait("event: end")
}
