package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// TestWhoMayDoWhat tries every route as everybody.
func TestWhoMayDoWhat(t *testing.T) {
	callers := map[string]struct {
		scope    Scope
		projects []string
	}{
		"nobody": {}, "read": {scope: ScopeRead}, "event": {scope: ScopeEventCreate}, "admin": {scope: ScopeAdmin},
		"read of another": {ScopeRead, []string{"other"}}, "event of another": {ScopeEventCreate, []string{"other"}}, "admin of another": {ScopeAdmin, []string{"other"}},
		"read of it": {ScopeRead, []string{"acme/app"}}, "admin of it": {ScopeAdmin, []string{brigade.ProjectID("acme/app")}},
	}
	reference := newWorld(t)
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			for _, rt := range reference.api.routes {
				w := newWorldFor(t, rt)
				token := ""
				if caller.scope != "" {
					token = w.token(caller.scope, caller.projects...)
				}
				method, _ := rt.split()
				var body any
				if method == "PUT" || method == "POST" {
					body = bodies[rt.action]
				}
				got := w.do(token, method, w.fill(strings.TrimPrefix(rt.pattern, method+" ")), body)
				id := Identity{Scopes: []Scope{caller.scope}, Projects: caller.projects}
				about := strings.ContainsAny(rt.pattern, "{")
				var want []int
				switch {
				case rt.need == "":
					want = []int{200}
				case caller.scope == "":
					want = []int{401}
				case !id.May(rt.need), rt.global && id.Limited():
					want = []int{403}
				case about && !id.Sees(brigade.ProjectID("acme/app"), "acme/app"):
					want = []int{403, 404} // 403: putting a project that is not theirs
				default:
					want = []int{200, 201, 202, 204, 404, 409} // 404: no such token; 409: it has ended
				}
				ok := false
				for _, s := range want {
					ok = ok || s == got.status
				}
				if !ok {
					t.Errorf("%s: %d, want one of %v: %s", rt.pattern, got.status, want, got.body)
				}
				if got.status >= 400 && strings.Contains(got.body, "pl4nted") {
					t.Errorf("%s: a secret in %s", rt.pattern, got.body)
				}
			}
		})
	}
}

// newWorldFor makes a new world for routes that change it; streams end by
// themselves.
func newWorldFor(t *testing.T, rt route) *world {
	w := newWorld(t)
	if rt.pattern == "GET /api/watch" {
		w.api.Close()
	}
	return w
}

// bodies are requests that are accepted.
var bodies = map[string]string{
	"project.put": `{}`, "secret.set": `{"value":"v"}`, "secret.compare": `{}`, "event.create": `{"type":"exec"}`, "build.rerun": `{}`, "build.cancel": `{}`, "job.cancel": `{}`,
	"token.create": `{"name":"n","scopes":["read"]}`,
}

func TestAnonymous(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Access.Anonymous = ScopeAdmin })
	w.do("", "GET", "/api/projects", nil).want(t, http.StatusOK, nil)
	w.do("", "POST", "/api/projects/other/events", `{"type":"exec"}`).want(t, http.StatusCreated, nil)
	for name, headers := range map[string][]string{
		"a proxy":         {"X-Forwarded-For", "192.0.2.1"},
		"DNS rebinding":   {"Host", "evil.example.org"},
		"another proxy":   {"Via", "1.1 x"},
		"standard header": {"Forwarded", "for=192.0.2.1"},
	} {
		if got := w.do("", "GET", "/api/projects", nil, headers...); got.status != http.StatusUnauthorized {
			t.Errorf("through %s: %d", name, got.status)
		}
	}
	if got := w.do("", "POST", "/api/projects/other/events", `{"type":"exec"}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.org"); got.status != http.StatusForbidden {
		t.Errorf("a page of another site may change things: %d", got.status)
	}
	if _, err := New(Options{Store: w.store, Records: w.store, Feed: w.feed, Control: w.control, Access: Access{Anonymous: "root"}}); err == nil {
		t.Error("an unknown scope is accepted")
	}
}

func TestCORS(t *testing.T) {
	const site = "https://ci.example.org"
	w := newWorld(t, func(o *Options) { o.Access.Origins = []string{site} })
	got := w.do("", "OPTIONS", "/api/builds", nil, "Origin", site, "Access-Control-Request-Method", "GET")
	if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != site {
		t.Errorf("preflight: %d %v", got.status, got.header)
	}
	for origin, want := range map[string]string{site: site, "https://evil.example.org": "", "null": "", "": ""} {
		got := w.do(w.reader, "GET", "/api/builds", nil, "Origin", origin)
		if got.header.Get("Access-Control-Allow-Origin") != want || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("origin %q: %v", origin, got.header)
		}
	}
	off := newWorld(t)
	if got := off.do(off.reader, "GET", "/api/builds", nil, "Origin", site); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS is on by default")
	}
	if _, err := New(Options{Store: w.store, Records: w.store, Feed: w.feed, Control: w.control, Access: Access{Origins: []string{"ci.example.org"}}}); err == nil {
		t.Error("an origin without a scheme is accepted")
	}
}

func TestTokens(t *testing.T) {
	now := time.Now().Add(time.Second) // after the tokens of the world, by which lists are sorted
	w := newWorld(t, func(o *Options) { o.Now = func() time.Time { return now } })
	var made struct {
		Token
		Text string `json:"token"`
	}
	got := w.do(w.admin, "POST", "/api/tokens", `{"name":"ci","scopes":["event:create"],"projects":["acme/app"],"expiresIn":"1d"}`).want(t, http.StatusCreated, &made)
	if got.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(made.Text, "brig_"+made.ID+"_") || made.CreatedBy != "test-admin" {
		t.Errorf("%s %v", got.body, got.header)
	}
	data, err := w.store.Record(context.Background(), KindToken, made.ID)
	w.must(err)
	secret := made.Text[len("brig_")+len(made.ID)+1:]
	if strings.Contains(string(data), secret) {
		t.Error("the token itself is stored")
	}
	var me Identity
	w.do(made.Text, "GET", "/api/whoami", nil).want(t, http.StatusOK, &me)
	if me.Name != "ci" || me.Kind != "token" || me.May(ScopeRead) || !me.May(ScopeEventCreate) || me.Sees("x", "other") {
		t.Errorf("%+v", me)
	}
	var page tokenPage
	got = w.do(w.admin, "GET", "/api/tokens", nil).want(t, http.StatusOK, &page)
	if page.Tokens[0].ID != made.ID || page.Tokens[0].LastUsed.IsZero() || strings.Contains(got.body, secret) || strings.Contains(got.body, "hash") {
		t.Errorf("list: %s", got.body)
	}
	for _, bad := range []string{made.Text + "0", made.Text[:len(made.Text)-1], strings.Replace(made.Text, made.ID, "01k00000000000000000000000", 1), "brig_", "brig__", "brig_" + made.ID + "_", "brig_../../x_y", "x", strings.ToUpper(made.Text)} {
		got := w.do(bad, "GET", "/api/whoami", nil)
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" || strings.Contains(got.body, bad) && len(bad) > 5 {
			t.Errorf("%q: %d %s", bad, got.status, got.body)
		}
	}
	now = now.Add(25 * time.Hour)
	w.do(made.Text, "GET", "/api/whoami", nil).want(t, http.StatusUnauthorized, nil) // expired
	w.do(w.reader, "GET", "/api/whoami", nil).want(t, http.StatusOK, nil)
	w.do(w.admin, "DELETE", "/api/tokens/"+strings.Split(w.reader, "_")[1], nil).want(t, http.StatusNoContent, nil)
	w.do(w.reader, "GET", "/api/whoami", nil).want(t, http.StatusUnauthorized, nil)
	w.do(w.admin, "DELETE", "/api/tokens/"+made.ID+"x", nil).want(t, http.StatusNotFound, nil)
	for _, bad := range []string{`{"name":"","scopes":["read"]}`, `{"name":"x"}`, `{"name":"x","scopes":["root"]}`, `{"name":"x","scopes":["read"],"expires":"2001-01-01T00:00:00Z"}`, `{"name":"x","scopes":["read"],"expiresIn":-1}`, `{"name":"x","scopes":["read"],"id":"mine"}`} {
		w.do(w.admin, "POST", "/api/tokens", bad).want(t, http.StatusBadRequest, nil)
	}
}

func TestFailedAttemptsAreLimited(t *testing.T) {
	asked := 0
	w := newWorld(t, func(o *Options) {
		o.Limits.Failures = 3
		o.Access.Remote = func(r *http.Request) string { return r.Header.Get("X-From") }
		o.Access.Verifier = verifier(func() (*Identity, error) { asked++; return nil, brigade.Errorf(brigade.CodeDenied, "no") })
	})
	for i := range 6 {
		got := w.do("other-token", "GET", "/api/whoami", nil, "X-From", "192.0.2.1")
		if want := map[bool]int{true: 401, false: 429}[i < 3]; got.status != want || want == 429 && got.header.Get("Retry-After") == "" {
			t.Errorf("attempt %d: %d %v", i, got.status, got.header)
		}
	}
	if asked != 3 {
		t.Errorf("the verifier was asked %d times", asked)
	}
	w.do(w.reader, "GET", "/api/whoami", nil, "X-From", "192.0.2.1").want(t, http.StatusOK, nil)
	w.do("x", "GET", "/api/whoami", nil, "X-From", "2001:db8::1").want(t, http.StatusUnauthorized, nil)
}

type verifier func() (*Identity, error)

func (f verifier) Verify(context.Context, string) (*Identity, error) { return f() }

func TestOtherTokens(t *testing.T) {
	var who *Identity
	var fail error
	w := newWorld(t, func(o *Options) { o.Access.Verifier = verifier(func() (*Identity, error) { return who, fail }) })
	who = &Identity{Name: "ann@example.org", Kind: "oidc", Scopes: []Scope{ScopeEventCreate}}
	var b brigade.Build
	w.do("eyJ.x.y", "POST", "/api/projects/other/events", `{"type":"exec"}`).want(t, http.StatusCreated, &b)
	if b.Event.Actor != "ann@example.org" {
		t.Errorf("actor %q", b.Event.Actor)
	}
	fail = brigade.Errorf(brigade.CodeUnavailable, "the provider is away")
	w.do("eyJ.x.y", "GET", "/api/whoami", nil).want(t, http.StatusServiceUnavailable, nil)
	fail = errors.New("secret detail")
	if got := w.do("eyJ.x.y", "GET", "/api/whoami", nil).want(t, http.StatusInternalServerError, nil); strings.Contains(got.body, "secret detail") {
		t.Errorf("what went wrong inside is shown: %s", got.body)
	}
}

func TestBootstrap(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "state", "token")
	made, err := Bootstrap(context.Background(), w.store, path, time.Now())
	w.must(err)
	text, err := os.ReadFile(path)
	w.must(err)
	var me Identity
	w.do(strings.TrimSpace(string(text)), "GET", "/api/whoami", nil).want(t, http.StatusOK, &me)
	if made == "" || !me.May(ScopeAdmin) || me.Limited() {
		t.Errorf("%q %+v", made, me)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if again, err := Bootstrap(context.Background(), w.store, path, time.Now()); err != nil || again != "" {
		t.Errorf("the second start made %q, %v", again, err)
	}
	w.do(w.admin, "DELETE", "/api/tokens/"+made, nil).want(t, http.StatusNoContent, nil)
	if again, err := Bootstrap(context.Background(), w.store, path, time.Now()); err != nil || again == "" {
		t.Errorf("a token that is not known any more stays: %v", err)
	}
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.do(w.admin, "PUT", "/api/projects/acme%2Fapp/secrets/fresh", `{"value":"t0p-s3cret"}`).want(t, http.StatusNoContent, nil)
	w.do(w.reader, "DELETE", "/api/projects/other", nil).want(t, http.StatusForbidden, nil)
	w.do("", "DELETE", "/api/projects/other", nil).want(t, http.StatusUnauthorized, nil)
	w.do(w.admin, "POST", "/api/builds/"+w.build.ID+"/cancel", nil).want(t, http.StatusConflict, nil)
	var page auditPage
	got := w.do(w.admin, "GET", "/api/audit", nil).want(t, http.StatusOK, &page)
	if len(page.Entries) != 3 || strings.Contains(got.body, "t0p-s3cret") {
		t.Fatalf("%s", got.body)
	}
	cancel, del, set := page.Entries[0], page.Entries[1], page.Entries[2]
	if set.Action != "secret.set" || set.Project != "acme/app" || set.Target != "fresh" || set.Actor != "test-admin" || set.Status != 204 || set.Remote != "127.0.0.1" || set.Code != "" || set.TokenID == "" {
		t.Errorf("%+v", set)
	}
	if del.Actor != "test-read" || del.Status != 403 || del.Code != brigade.CodeDenied || del.Project != "other" {
		t.Errorf("%+v", del)
	}
	if cancel.Target != w.build.ID || cancel.Code != brigade.CodeConflict || cancel.Reason == "" {
		t.Errorf("%+v", cancel)
	}
	w.do(w.admin, "GET", "/api/audit?actor=test-read&limit=1", nil).want(t, http.StatusOK, &page)
	if len(page.Entries) != 1 || page.Next == "" {
		t.Errorf("%+v", page)
	}
	old := AuditEntry{ID: id.Lowest(epoch)}
	data, _ := json.Marshal(old)
	w.must(w.store.PutRecord(context.Background(), KindAudit, old.ID, data))
	w.api.prune.last = time.Time{}
	w.api.pruneAudit(context.Background(), epoch.Add(401*24*time.Hour))
	if _, err := w.store.Record(context.Background(), KindAudit, old.ID); err == nil {
		t.Error("old entries stay")
	}
	if n, _ := w.store.ListRecords(context.Background(), KindAudit, brigade.RecordQuery{}); len(n) != 3 && epoch.Add(24*time.Hour).Before(time.Now()) {
		t.Logf("%d entries left", len(n))
	}
}
