package oidc

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
)

// provider is an OpenID provider with one key.
type provider struct {
	*httptest.Server
	key  *rsa.PrivateKey
	away bool
	seen int
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		p.seen++
		if p.away {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// token signs claims; those of a good token are added.
func (p *provider) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": p.URL, "aud": "brigade", "sub": "s1", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

func TestVerify(t *testing.T) {
	p := newProvider(t)
	v, err := New(Options{Issuer: p.URL, Audience: "brigade", Grants: []Grant{
		{Value: "devs", Scopes: []api.Scope{api.ScopeRead}},
		{Value: "leads", Scopes: []api.Scope{api.ScopeEventCreate}},
		{Value: "guests", Scopes: []api.Scope{api.ScopeRead}, Projects: []string{"a"}},
		{Value: "friends", Scopes: []api.Scope{api.ScopeRead}, Projects: []string{"b"}},
		{Value: "owners", Scopes: []api.Scope{api.ScopeAdmin}, Projects: []string{"c"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims   map[string]any
		who      string
		scopes   []api.Scope
		projects []string
	}{
		"a list":             {map[string]any{"groups": []string{"x", "devs", "leads"}}, "s1", []api.Scope{api.ScopeRead, api.ScopeEventCreate}, nil},
		"a text":             {map[string]any{"groups": "devs", "email": "a@b", "email_verified": true}, "a@b", []api.Scope{api.ScopeRead}, nil},
		"unverified email":   {map[string]any{"groups": "devs", "email": "a@b"}, "s1", []api.Scope{api.ScopeRead}, nil},
		"limited":            {map[string]any{"groups": []string{"guests", "friends"}}, "s1", []api.Scope{api.ScopeRead}, []string{"a", "b"}},
		"no mixing":          {map[string]any{"groups": []string{"guests", "owners"}}, "s1", []api.Scope{api.ScopeRead}, []string{"a"}},
		"wide wins":          {map[string]any{"groups": []string{"owners", "devs"}}, "s1", []api.Scope{api.ScopeRead}, nil},
		"nothing granted":    {map[string]any{"groups": []string{"x"}}, "", nil, nil},
		"no claim":           {nil, "", nil, nil},
		"odd claim":          {map[string]any{"groups": map[string]any{"devs": 1}}, "", nil, nil},
		"another audience":   {map[string]any{"groups": "devs", "aud": "other"}, "", nil, nil},
		"another issuer":     {map[string]any{"groups": "devs", "iss": "https://evil"}, "", nil, nil},
		"expired":            {map[string]any{"groups": "devs", "exp": 1}, "", nil, nil},
		"not to be used yet": {map[string]any{"groups": "devs", "nbf": time.Now().Add(time.Hour).Unix()}, "", nil, nil},
	} {
		who, err := v.Verify(t.Context(), p.token(t, c.claims))
		if c.who == "" {
			if brigade.CodeOf(err) != brigade.CodeDenied {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
			continue
		}
		if err != nil || who.Name != c.who || !slices.Equal(who.Scopes, c.scopes) || !slices.Equal(who.Projects, c.projects) || who.Kind != "oidc" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	for _, bad := range []string{"", "x", "a.b.c", b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{}`)) + "."} {
		if _, err := v.Verify(t.Context(), bad); brigade.CodeOf(err) != brigade.CodeDenied {
			t.Errorf("%q: %v", bad, err)
		}
	}
	forged := newProvider(t)
	forged.Config.Handler, forged.URL = p.Config.Handler, p.URL // its own key, our issuer
	if _, err := v.Verify(t.Context(), forged.token(t, map[string]any{"groups": "devs"})); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a token signed by somebody else: %v", err)
	}
}

func TestAProviderThatIsAway(t *testing.T) {
	p := newProvider(t)
	p.away = true
	now := time.Now()
	v, err := New(Options{Issuer: p.URL, Audience: "brigade", Grants: []Grant{{Value: "*", Scopes: []api.Scope{api.ScopeRead}}}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	token := p.token(t, nil)
	for range 3 {
		if _, err := v.Verify(context.Background(), token); brigade.CodeOf(err) != brigade.CodeUnavailable {
			t.Errorf("%v", err)
		}
	}
	if p.seen != 1 {
		t.Errorf("it was asked %d times", p.seen)
	}
	p.away, now = false, now.Add(retryAfter)
	if _, err := v.Verify(context.Background(), token); err != nil {
		t.Error(err)
	}
}

func TestOptionsAndGrants(t *testing.T) {
	ok := []Grant{{Value: "x", Scopes: []api.Scope{api.ScopeRead}}}
	for _, bad := range []Options{
		{}, {Issuer: "http://example.org", Audience: "a", Grants: ok}, {Issuer: "https://x", Grants: ok}, {Issuer: "https://x", Audience: "a"},
		{Issuer: "https://x", Audience: "a", Grants: []Grant{{Value: "x"}}}, {Issuer: "https://x", Audience: "a", Grants: []Grant{{Value: "x", Scopes: []api.Scope{"root"}}}},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	g, err := ParseGrant("team=a=read,event:create@acme/app,other")
	if err != nil || g.Value != "team=a" || len(g.Scopes) != 2 || len(g.Projects) != 2 {
		t.Errorf("%+v %v", g, err)
	}
	if g, err = ParseGrant(`{"value":"x","scopes":["admin"]}`); err != nil || g.Scopes[0] != api.ScopeAdmin {
		t.Errorf("%+v %v", g, err)
	}
	if _, err = ParseGrant("x"); err == nil {
		t.Error("a grant without scopes is accepted")
	}
}

func TestLoginWithAClient(t *testing.T) {
	p := newProvider(t)
	grants := []Grant{{Value: "*", Scopes: []api.Scope{api.ScopeRead}}}
	v, err := New(Options{Issuer: p.URL, Audience: "brigade", ClientID: "brig-cli", Scopes: []string{"openid", "teams"}, Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	if l := v.Login(); l == nil || l.Issuer != p.URL || l.ClientID != "brig-cli" || len(l.Scopes) != 2 {
		t.Errorf("login: %+v", l)
	}
	for audience, good := range map[string]bool{"brigade": true, "brig-cli": true, "other": false, "": false} {
		if _, err := v.Verify(t.Context(), p.token(t, map[string]any{"aud": audience})); (err == nil) != good {
			t.Errorf("audience %q: %v", audience, err)
		}
	}
	only, err := New(Options{Issuer: p.URL, ClientID: "brig-cli", Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	for audience, good := range map[string]bool{"brig-cli": true, "brigade": false, "": false} {
		if _, err := only.Verify(t.Context(), p.token(t, map[string]any{"aud": audience})); (err == nil) != good {
			t.Errorf("the client's only, audience %q: %v", audience, err)
		}
	}
	if without, err := New(Options{Issuer: p.URL, Audience: "brigade", Grants: grants}); err != nil || without.Login() != nil {
		t.Errorf("without a client: %v", err)
	}
	if _, err := New(Options{Issuer: p.URL, Grants: grants}); brigade.CodeOf(err) != brigade.CodeUsage {
		t.Errorf("for anybody: %v", err)
	}
}
