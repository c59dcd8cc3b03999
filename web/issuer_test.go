package web_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/web"
)

// issuer is an OpenID provider at which everybody is grace. It is another site
// than the dashboard, which is at 127.0.0.1.
type issuer struct {
	w      *world
	url    string
	server *httptest.Server
	key    *rsa.PrivateKey

	mu      sync.Mutex
	away    bool
	refuse  bool // nobody is let in any more
	lasts   time.Duration
	codes   map[string]url.Values // what they were given for
	refresh string                // good for one time
	renewed int
	nonce   string         // put into tokens in place of the right one
	claims  map[string]any // the same for others; without an aud there is no ID token
}

const clientID, clientSecret = "brigade-web", "s3cret of the client"

func (w *world) issuer() *issuer {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	p := &issuer{w: w, key: key, codes: map[string]url.Values{}, lasts: time.Hour}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(rw http.ResponseWriter, _ *http.Request) {
		p.answer(rw, map[string]any{
			"issuer": p.url, "jwks_uri": p.url + "/keys", "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid", "email", "offline_access"},
		})
	})
	mux.HandleFunc("GET /keys", func(rw http.ResponseWriter, _ *http.Request) {
		p.answer(rw, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = w.serve(mux)
	w.t.Cleanup(p.server.Close)
	p.url = strings.Replace(p.server.URL, "127.0.0.1", "localhost", 1)
	return p
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func (p *issuer) answer(rw http.ResponseWriter, v any) {
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	if away {
		rw.WriteHeader(http.StatusBadGateway)
	}
	_ = json.NewEncoder(rw).Encode(v)
}

// authorize shows a page on which people go on, or sends them back at once.
func (p *issuer) authorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": clientID, "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			p.w.t.Errorf("authorize: %s is %q", name, q.Get(name))
		}
	}
	if q.Get("state") == "" || q.Get("nonce") == "" || len(q.Get("code_challenge")) != 43 || !strings.Contains(q.Get("scope"), "openid") {
		p.w.t.Errorf("authorize: %v", q)
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	fmt.Fprintf(rw, `<!doctype html><title>Issuer</title><p>Are you grace? <a id="yes" href="%s?%s">Yes</a> <a id="no" href="%s?error=access_denied&state=%s">No</a>`,
		q.Get("redirect_uri"), strings.ReplaceAll(back.Encode(), "&", "&amp;"), q.Get("redirect_uri"), q.Get("state"))
}

// token exchanges codes and refresh tokens.
func (p *issuer) token(rw http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	refused := p.refuse || id != clientID || secret != url.QueryEscape(clientSecret) && secret != clientSecret
	nonce := ""
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		given, ok := p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		refused = refused || !ok || b64(sum[:]) != given.Get("code_challenge") || r.PostFormValue("redirect_uri") != given.Get("redirect_uri")
		nonce = given.Get("nonce")
	case "refresh_token":
		refused = refused || p.refresh == "" || r.PostFormValue("refresh_token") != p.refresh
		p.renewed++
	default:
		refused = true
	}
	if p.nonce != "" {
		nonce = p.nonce
	}
	p.refresh = rand.Text()
	claims := map[string]any{
		"iss": p.url, "aud": clientID, "sub": "grace", "email": "grace@example.org", "email_verified": true, "groups": []string{"devs"},
		"nonce": nonce, "exp": p.w.now().Add(p.lasts).Unix(), "iat": p.w.now().Unix(),
	}
	maps.Copy(claims, p.claims)
	answer := map[string]any{"access_token": "x", "token_type": "Bearer", "refresh_token": p.refresh}
	if claims["aud"] != nil {
		answer["id_token"] = p.sign(claims)
	}
	p.mu.Unlock()
	if refused {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(rw, `{"error":"invalid_grant"}`)
		return
	}
	p.answer(rw, answer)
}

func (p *issuer) sign(claims map[string]any) string {
	body, err := json.Marshal(claims)
	p.w.must(err)
	text := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	p.w.must(err)
	return text + "." + b64(sig)
}

// withIssuer is a dashboard into which grace gets, besides those with tokens.
func withIssuer(w *world, p *issuer) func(*web.Options) {
	return func(o *web.Options) {
		opt := oidc.Options{
			Client: &http.Client{Transport: transport}, Issuer: p.url, ClientID: clientID, ClientSecret: clientSecret, Now: func() time.Time { return w.now() },
			Grants: []oidc.Grant{{Value: "devs", Scopes: []api.Scope{api.ScopeRead, api.ScopeEventCreate}}},
		}
		signIn, err := oidc.NewSignIn(opt)
		w.must(err)
		verifier, err := oidc.New(opt)
		w.must(err)
		o.SignIn, o.Auth = signIn, &both{w.tokens, verifier}
	}
}

// both knows tokens of two kinds.
type both struct {
	*tokens
	verifier *oidc.Verifier
}

func (b *both) Authenticate(ctx context.Context, token string) (*web.Identity, error) {
	if !strings.HasPrefix(token, "eyJ") {
		return b.tokens.Authenticate(ctx, token)
	}
	who, err := b.verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return &web.Identity{Name: who.Name, Kind: who.Kind, Read: who.May(api.ScopeRead), Act: who.May(api.ScopeEventCreate), Expires: who.Expires, Sees: who.Sees}, nil
}

// later moves the clock of the dashboard and the issuer on.
func (w *world) later(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.ahead += d
}
