package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/web"
)

// restart puts another dashboard in place of the one that runs, with the same
// store, as a restart of the server does.
func (w *world) restart(change ...func(*web.Options)) {
	w.t.Helper()
	old := w.web
	w.make(change...)
	old.Close()
}

func TestSessionsSurviveARestart(t *testing.T) {
	w := newWorld(t)
	_, b, _ := small(w)
	ada, other := w.as("all-token"), w.as("all-token")
	form := ada.csrf("/builds/" + b.ID)
	w.restart()
	ada.get("/").want(200).has("ada")
	ada.post("/builds/"+b.ID+"/rerun", url.Values{"csrf": {form}, "nonce": {"n"}}).want(http.StatusSeeOther) // a page from before
	stranger := w.browser()
	stranger.cookie(strings.Repeat("A", 43))
	stranger.get("/").want(http.StatusSeeOther)

	// Nothing kept opens anything: neither the token nor the cookie is in it.
	for _, kind := range []string{web.KindSession, web.KindSessionState} {
		list, err := w.store.ListRecords(t.Context(), kind, brigade.RecordQuery{})
		w.must(err)
		if len(list) != 2 {
			t.Errorf("%d records of the kind %s", len(list), kind)
		}
		for _, r := range list {
			if text := r.Key + string(r.Data); strings.Contains(text, "all-token") || strings.Contains(text, ada.value()) {
				t.Errorf("a record of a session gives it away: %s", text)
			}
			stranger.cookie(r.Key[:43])
			stranger.get("/").want(http.StatusSeeOther)
		}
	}

	// What is revoked while nobody runs stays so.
	w.tokens.revoke("all-token")
	w.restart()
	ada.get("/").want(http.StatusSeeOther)
	w.tokens.known["all-token"] = &web.Identity{Name: "ada", Read: true, Act: true}
	ada.get("/").want(http.StatusSeeOther)
	other.get("/").want(200)
	other.post("/logout", url.Values{}).want(http.StatusSeeOther)
	w.restart()
	other.get("/").want(http.StatusSeeOther)
}

func TestSessionsAreEndedFromElsewhere(t *testing.T) {
	w := newWorld(t)
	small(w)
	here, there, third, reader := w.as("all-token"), w.as("all-token"), w.as("all-token"), w.as("reader-token")
	w.as("reader-token")
	page := here.get("/sessions").want(200).has("this one", "End all others")
	if n := strings.Count(page.body, `name="key"`); n != 2 {
		t.Errorf("%d other sessions are offered, want 2", n)
	}
	form := here.csrf("/sessions")
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	reader.post("/sessions/end", url.Values{"csrf": {reader.csrf("/sessions")}, "key": {key}}).want(http.StatusNotFound) // somebody else's
	here.post("/sessions/end", url.Values{"csrf": {"wrong"}, "key": {key}}).want(http.StatusForbidden)
	here.post("/sessions/end", url.Values{"csrf": {form}, "key": {key}}).want(http.StatusSeeOther)
	if a, b := there.get("/").status, third.get("/").status; a+b != http.StatusOK+http.StatusSeeOther {
		t.Errorf("the others get %d and %d, want one of them out", a, b)
	}
	here.post("/sessions/end", url.Values{"csrf": {form}}).want(http.StatusSeeOther)
	there.get("/").want(http.StatusSeeOther)
	third.get("/").want(http.StatusSeeOther)
	here.get("/").want(200)
	reader.get("/").want(200)

	// A second server of the same store: what one ends, the other does not know any more.
	second := w.serve(w.another().Handler())
	t.Cleanup(second.Close)
	far := &browser{w, here.client}
	u, err := url.Parse(second.URL)
	w.must(err)
	far.client.Jar.SetCookies(u, []*http.Cookie{{Name: "brigade-session", Value: here.value(), Path: "/"}})
	far.at(second.URL).get("/").want(200)
	here.post("/logout", url.Values{}).want(http.StatusSeeOther)
	far.client.Jar.SetCookies(u, []*http.Cookie{{Name: "brigade-session", Value: here.value(), Path: "/"}})
	far.at(second.URL).get("/").want(http.StatusSeeOther)
}

func TestSessionsEndByThemselves(t *testing.T) {
	w := newWorld(t, func(o *web.Options) { o.Limits.Idle, o.Limits.Session = time.Hour, 3*time.Hour })
	small(w)
	idle, busy := w.as("all-token"), w.as("all-token")
	w.later(50 * time.Minute)
	busy.get("/").want(200)
	w.later(20 * time.Minute)
	w.restart(func(o *web.Options) { o.Limits.Idle, o.Limits.Session = time.Hour, 3*time.Hour })
	idle.get("/").want(http.StatusSeeOther)
	busy.get("/").want(200)
	for range 3 {
		w.later(40 * time.Minute)
		busy.get("/")
	}
	busy.get("/").want(http.StatusSeeOther) // in use all the time, but for too long
	w.as("all-token")
	list, err := w.store.ListRecords(t.Context(), web.KindSession, brigade.RecordQuery{})
	w.must(err)
	if len(list) != 1 {
		t.Errorf("%d sessions are kept, want the last one only", len(list))
	}
}

func TestTwoRequestsOfOneSessionAtOnce(t *testing.T) {
	w := newWorld(t)
	small(w)
	ada := w.as("all-token")
	w.restart()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if got := ada.get("/sessions").status; got != 200 {
					t.Errorf("status %d", got)
				}
			}
		})
	}
	all.Wait()
}

// signIn goes through the issuer as a browser does, and returns what the
// dashboard answers in the end.
func (b *browser) signIn(p *issuer, next string) answer {
	b.w.t.Helper()
	to := b.get("/login/oidc?next=" + url.QueryEscape(next)).want(http.StatusSeeOther).header.Get("Location")
	if !strings.HasPrefix(to, p.url+"/authorize?") {
		b.w.t.Fatalf("the sign-in begins at %s", to)
	}
	return b.get(b.back(to, "yes"))
}

// back is the path with which the issuer sends a browser back.
func (b *browser) back(to, link string) string {
	b.w.t.Helper()
	resp, err := (&http.Client{Transport: transport}).Get(to)
	b.w.must(err)
	defer resp.Body.Close()
	a := answer{t: b.w.t}.of(resp)
	_, rest, _ := strings.Cut(a.body, `id="`+link+`" href="`+b.w.server.URL)
	path, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(path, "&amp;", "&")
}

func TestSignInAtAnIssuer(t *testing.T) {
	w := newWorld(t)
	small(w)
	p := w.issuer()
	w.restart(withIssuer(w, p))
	w.browser().get("/login?next=/builds").want(200).has(`href="/login/oidc?next=%2Fbuilds"`, `name="token"`)
	grace := w.browser()
	grace.signIn(p, "/builds?state=failed").want(200).has(`http-equiv="refresh"`, "/builds?state=failed")
	grace.get("/").want(200).has("grace@example.org")
	w.restart(withIssuer(w, p))
	grace.get("/").want(200).has("grace@example.org")

	// A code is of use to the browser that asked for it only, and once.
	eve := w.browser()
	to := eve.get("/login/oidc").header.Get("Location")
	back := eve.back(to, "yes")
	w.browser().get(back).want(http.StatusBadRequest).has("not begun here")
	if eve.get(strings.Replace(back, "state=", "state=x", 1)).want(http.StatusBadRequest); eve.get("/").status == 200 {
		t.Error("another state is taken")
	}
	eve.get(back).want(http.StatusBadRequest) // the state was good for one answer
	eve.get("/login/oidc/return").want(http.StatusBadRequest)
	p.nonce = "another"
	eve.signIn(p, "/").want(http.StatusForbidden)
	eve.get("/").want(http.StatusSeeOther)
	p.nonce = ""
	for _, claims := range []map[string]any{
		{"aud": "another-client"}, {"aud": nil}, {"iss": "https://evil.example"}, {"exp": 1}, {"groups": []string{"strangers"}}, {"nonce": ""},
	} {
		p.claims = claims
		eve.signIn(p, "/").want(http.StatusForbidden)
		eve.get("/").want(http.StatusSeeOther)
	}
	p.claims = nil
	to = eve.get("/login/oidc").header.Get("Location")
	eve.get(eve.back(to, "no")).want(http.StatusForbidden).has("refused")
	for _, next := range []string{"https://evil.example", "//evil.example", "/login"} {
		eve.signIn(p, next).want(200).lacks("evil.example").has(`content="0;url=/"`)
	}
	p.mu.Lock()
	p.refuse = true
	p.mu.Unlock()
	w.browser().signIn(p, "/").want(http.StatusForbidden).has("nothing here is open to you")
}

func TestASignInIsRenewed(t *testing.T) {
	w := newWorld(t)
	small(w)
	p := w.issuer()
	p.lasts = 10 * time.Minute
	w.restart(withIssuer(w, p))
	grace := w.browser()
	grace.signIn(p, "/").want(200)
	for range 3 {
		w.later(11 * time.Minute)
		grace.get("/").want(200).has("grace@example.org")
	}
	if p.renewed != 3 {
		t.Errorf("renewed %d times, want 3", p.renewed)
	}
	w.restart(withIssuer(w, p)) // the newest refresh token was kept
	w.later(11 * time.Minute)
	grace.get("/").want(200)
	p.mu.Lock()
	p.refuse = true // she left
	p.mu.Unlock()
	grace.get("/").want(200)
	w.later(11 * time.Minute)
	grace.get("/").want(http.StatusSeeOther)
	p.mu.Lock()
	p.refuse = false
	p.mu.Unlock()
	grace.get("/").want(http.StatusSeeOther)
}

func TestAnIssuerThatIsAway(t *testing.T) {
	w := newWorld(t)
	small(w)
	p := w.issuer()
	p.away = true
	w.restart(withIssuer(w, p))
	w.browser().get("/login/oidc").want(http.StatusServiceUnavailable).has("cannot be reached", `name="token"`)
	w.as("all-token").get("/").want(200)
	w.restart()
	w.browser().get("/login/oidc").want(http.StatusNotFound)
	w.browser().get("/login").want(200).lacks("/login/oidc")
}

// another is a second dashboard over the same store.
func (w *world) another() *web.Web {
	w.t.Helper()
	made, err := web.New(w.options())
	w.must(err)
	w.t.Cleanup(made.Close)
	return made
}
