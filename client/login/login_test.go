package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// provider is an OpenID provider at which a person confirms codes.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	meta    map[string]any
	verdict string // of the person: "", an error's name or "ok"
	scope   string // that was asked for
	grants  []string
	noID    bool
	revoked string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{verdict: "ok"}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, p.meta) })
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.scope = r.FormValue("scope")
		answer(w, 200, map[string]any{"device_code": "device", "user_code": "WXYZ-1234", "verification_uri": p.URL + "/confirm", "expires_in": 600, "interval": 1})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.grants = append(p.grants, r.FormValue("grant_type")+" "+r.FormValue("client_id")+" "+r.FormValue("refresh_token"))
		if p.verdict != "ok" {
			answer(w, 400, map[string]any{"error": p.verdict, "error_description": "because"})
			return
		}
		out := map[string]any{"access_token": "a", "token_type": "Bearer", "refresh_token": fmt.Sprintf("r%d", len(p.grants))}
		if !p.noID {
			out["id_token"] = "h." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":2000000000}`)) + ".s"
		}
		answer(w, 200, out)
	})
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.revoked = r.FormValue("token")
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.meta = map[string]any{
		"issuer": p.URL, "token_endpoint": p.URL + "/token", "device_authorization_endpoint": p.URL + "/device",
		"revocation_endpoint": p.URL + "/revoke", "scopes_supported": []string{"openid", "email", "offline_access"},
	}
	return p
}

func (p *provider) discover(t *testing.T) *Provider {
	t.Helper()
	found, err := Discover(t.Context(), Options{Issuer: p.URL, ClientID: "brig"})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLogInAndRenew(t *testing.T) {
	p := newProvider(t)
	found := p.discover(t)
	prompt, err := found.Ask(t.Context())
	if err != nil || prompt.Code != "WXYZ-1234" || prompt.URL != p.URL+"/confirm" || prompt.Expires.IsZero() {
		t.Fatalf("%+v %v", prompt, err)
	}
	if got := strings.Fields(p.scope); !slices.Equal(got, []string{"openid", "email", "offline_access"}) {
		t.Errorf("scopes %v", got)
	}
	token, err := found.Wait(t.Context(), prompt)
	if err != nil || token.Refresh != "r1" || !token.Expires.Equal(time.Unix(2000000000, 0)) || !strings.HasPrefix(token.ID, "h.") {
		t.Fatalf("%+v %v", token, err)
	}
	token, err = found.Renew(t.Context(), token.Refresh)
	if err != nil || token.Refresh != "r2" || p.grants[1] != "refresh_token brig r1" {
		t.Errorf("renew: %+v %v %v", token, err, p.grants)
	}
	if err := found.Revoke(t.Context(), token.Refresh); err != nil || p.revoked != "r2" {
		t.Errorf("revoke: %v %q", err, p.revoked)
	}
}

func TestRefusals(t *testing.T) {
	for verdict, want := range map[string]brigade.Code{
		"access_denied": brigade.CodeDenied, "expired_token": brigade.CodeDenied, "invalid_grant": brigade.CodeDenied, "invalid_client": brigade.CodeInvalid,
	} {
		p := newProvider(t)
		p.verdict = verdict
		found := p.discover(t)
		if _, err := found.Renew(t.Context(), "r"); brigade.CodeOf(err) != want {
			t.Errorf("renew, %s: %v", verdict, err)
		}
	}
	p := newProvider(t)
	p.noID = true
	if _, err := p.discover(t).Renew(t.Context(), "r"); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("no ID token: %v", err)
	}
	p.Close()
	if _, err := Discover(t.Context(), Options{Issuer: p.URL, ClientID: "brig"}); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("away: %v", err)
	}
}

func TestWaitingEnds(t *testing.T) {
	p := newProvider(t)
	p.verdict = "authorization_pending"
	found := p.discover(t)
	prompt, err := found.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(brigade.Errorf(brigade.CodeCanceled, "interrupted"))
	if _, err := found.Wait(ctx, prompt); brigade.CodeOf(err) != brigade.CodeCanceled {
		t.Errorf("interrupted: %v", err)
	}
	prompt.answer.Expiry = time.Now()
	if _, err := found.Wait(t.Context(), prompt); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("too late: %v", err)
	}
}

func TestProvidersThatCannotBeUsed(t *testing.T) {
	for name, change := range map[string]func(p *provider){
		"another issuer":     func(p *provider) { p.meta["issuer"] = "https://evil.example" },
		"no device flow":     func(p *provider) { delete(p.meta, "device_authorization_endpoint") },
		"no token endpoint":  func(p *provider) { delete(p.meta, "token_endpoint") },
		"over plain http":    func(p *provider) { p.meta["token_endpoint"] = "http://evil.example/token" },
		"a wrong revocation": func(p *provider) { p.meta["revocation_endpoint"] = "ftp://x" },
	} {
		p := newProvider(t)
		change(p)
		if _, err := Discover(t.Context(), Options{Issuer: p.URL, ClientID: "brig"}); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, issuer := range []string{"http://ci.example.org", "", "x", "https://", "file:///etc"} {
		if _, err := Discover(t.Context(), Options{Issuer: issuer, ClientID: "brig"}); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("%q: %v", issuer, err)
		}
	}
	for _, token := range []string{"", "a.b", "a.b.c", "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e300}`)) + ".c", "a." + base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + ".c"} {
		if at, ok := expiry(token); ok {
			t.Errorf("%q expires %v", token, at)
		}
	}
}
