package forge_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

func TestPlaceOf(t *testing.T) {
	for _, c := range []struct{ name, repository, clone, fallback, base, repo string }{
		{"acme/app", "", "https://git.example:3000/acme/app.git", "", "https://git.example:3000", "acme/app"},
		{"acme/app", "", "http://user:pass@git.example/acme/app", "", "http://git.example", "acme/app"},
		{"acme/app", "", "git@git.example:acme/tools/app.git", "", "https://git.example", "acme/tools/app"},
		{"acme/app", "", "ssh://git@git.example:7999/acme/app.git", "", "https://git.example", "acme/app"},
		{"acme/app", "", "https://git.example/scm/acme/app.git", "", "https://git.example", "acme/app"},
		{"x", "gitlab.example/acme/app", "", "https://gitlab.com", "https://gitlab.example", "acme/app"},
		{"acme/app", "acme/app", "", "https://gitlab.com/", "https://gitlab.com", "acme/app"},
		{"acme/app", "", "/srv/git/app.git", "", "", ""},
		{"acme/app", "", "file:///srv/git/app.git", "", "", ""},
		{"app", "app", "", "https://gitlab.com", "", ""},
		{"", "", "https://", "", "", ""},
	} {
		p := &brigade.Project{Name: c.name, Repository: c.repository, Repo: brigade.Repo{CloneURL: c.clone}}
		place, ok := forge.PlaceOf(p, c.fallback)
		if place.Base != c.base || place.Repo != c.repo || ok != (c.base != "") {
			t.Errorf("%+v: %+v, %v", c, place, ok)
		}
	}
}

func TestOwns(t *testing.T) {
	p := &brigade.Project{Name: "infra", Repository: "github.com/Acme/App", Repo: brigade.Repo{CloneURL: "git@github.com:acme/app2.git"}}
	for repo, want := range map[string]bool{"acme/app": true, "ACME/APP": true, "acme/app2": true, "infra": true, "acme/other": false, "": false, "github.com/acme": false} {
		if forge.Owns(p, repo) != want {
			t.Errorf("%q: %v", repo, !want)
		}
	}
}

func TestTokenFits(t *testing.T) {
	for _, c := range []struct {
		clone, repository, base string
		want                    bool
	}{
		{"https://github.com/acme/app.git", "", "https://api.github.com", true},
		{"git@github.com:acme/app.git", "", "https://api.github.com", true},
		{"", "github.com/acme/app", "https://api.github.com", true},
		{"", "acme/app", "https://api.github.com", true}, // nothing says otherwise
		{"https://ghe.example/acme/app", "", "https://ghe.example/api/v3", true},
		{"https://gitlab.example/acme/app", "", "https://api.github.com", false},
		{"https://github.com/acme/app.git", "", "https://evil.example", false},
	} {
		p := &brigade.Project{Name: "acme/app", Repository: c.repository, Repo: brigade.Repo{CloneURL: c.clone}}
		if forge.TokenFits(p, c.base) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func TestErrorsSayWhetherToTryAgain(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	status, header := 200, http.Header{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, v := range header {
			w.Header()[name] = v
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"no \u001b[31m`+strings.Repeat("x", 1000)+`"}`)
	}))
	defer s.Close()
	c := forge.Client{Now: func() time.Time { return now }}
	for _, row := range []struct {
		status int
		header map[string]string
		again  bool
		after  time.Duration
	}{
		{400, nil, false, 0},
		{401, nil, false, 0},
		{403, nil, false, 0},
		{403, map[string]string{"Retry-After": "7"}, true, 7 * time.Second},
		{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(now.Add(90 * time.Second).Unix())}, true, 90 * time.Second},
		{404, nil, false, 0},
		{429, nil, true, 0},
		{429, map[string]string{"Retry-After": "Mon, 02 Nov 2026 09:02:00 GMT"}, true, 2 * time.Minute},
		{500, nil, true, 0},
		{503, map[string]string{"Retry-After": "-5"}, true, 0},
	} {
		status, header = row.status, http.Header{}
		for name, v := range row.header {
			header.Set(name, v)
		}
		err := c.Do(context.Background(), "GET", s.URL+"/x?secret=1", forge.Bearer("hidden"), nil, nil)
		again, after := forge.Again(err)
		if forge.StatusOf(err) != row.status || again != row.again || after != row.after {
			t.Errorf("%+v: %v: again %v after %v", row, err, again, after)
		}
		if text := err.Error(); len(text) > 500 || strings.Contains(text, "hidden") || strings.Contains(text, "secret=1") || strings.Contains(text, "\x1b") {
			t.Errorf("error %q", text)
		}
	}
	s.Close()
	err := c.Do(context.Background(), "GET", s.URL+"/x?secret=1", forge.Bearer("hidden"), nil, nil)
	if again, _ := forge.Again(err); !again || strings.Contains(err.Error(), "secret=1") {
		t.Errorf("a server that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if again, _ := forge.Again(c.Do(ctx, "GET", s.URL, forge.Auth{}, nil, nil)); again {
		t.Error("a canceled request is tried again")
	}
	if err := c.Do(context.Background(), "GET", "file:///etc/passwd", forge.Auth{}, nil, nil); err == nil {
		t.Error("a file is read")
	}
}

func TestCredentialsStayOnTheirHost(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("Private-Token"))
	}))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			fmt.Fprintf(w, "%q", r.Header.Get("Private-Token"))
			return
		}
		to := "/here"
		if r.URL.Path == "/out" {
			to = other.URL
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	defer s.Close()
	var got string
	if err := (forge.Client{}).Do(context.Background(), "GET", s.URL+"/in", forge.Private("own"), nil, &got); err != nil || got != "own" {
		t.Errorf("%q, %v", got, err)
	}
	if err := (forge.Client{}).Do(context.Background(), "GET", s.URL+"/out", forge.Private("own"), nil, &got); forge.StatusOf(err) != http.StatusFound || len(leaked) > 0 {
		t.Errorf("followed to another host: %v, %q", err, leaked)
	}
}

func TestCredentialsAreNotSentInTheClear(t *testing.T) {
	err := (forge.Client{}).Do(context.Background(), "GET", "http://192.0.2.1/x", forge.Token("own"), nil, nil)
	if again, _ := forge.Again(err); err == nil || again || !strings.Contains(err.Error(), "plain http") {
		t.Errorf("%v", err)
	}
}

func TestApp(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	minted := 0
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		checkJWT(t, &key.PublicKey, r.Header.Get("Authorization"), now)
		if strings.HasSuffix(r.URL.Path, "/installation") {
			fmt.Fprint(w, `{"id":771}`)
			return
		}
		minted++
		fmt.Fprintf(w, `{"token":"t%d","expires_at":%q}`, minted, now.Add(time.Hour).Format(time.RFC3339))
	}))
	defer s.Close()
	a, err := forge.NewApp(forge.AppOptions{
		ID: 2112, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), BaseURL: s.URL + "/api/v3/", Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	get := func(repo string, permissions map[string]string) string {
		token, err := a.Token(context.Background(), repo, permissions, 50*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(text, token.Value) {
			t.Errorf("a token shows itself: %s", text)
		}
		return token.Value
	}
	var got []string
	got = append(got, get("acme/app", nil), get("Acme/App", nil), get("acme/app", map[string]string{"checks": "write"}), get("acme/other", nil))
	now = now.Add(11 * time.Minute) // 49 minutes are left
	got = append(got, get("acme/app", nil))
	if want := []string{"t1", "t1", "t2", "t3", "t4"}; !slices.Equal(got, want) {
		t.Errorf("tokens %q, want %q", got, want)
	}
	if asked[0] != "GET /api/v3/repos/acme/app/installation" || asked[1] != "POST /api/v3/app/installations/771/access_tokens" {
		t.Errorf("asked %q", asked)
	}
	for _, repo := range []string{"", "acme", "a/b/c", "../x/y", "/app"} {
		if _, err := a.Token(context.Background(), repo, nil, 0); err == nil {
			t.Errorf("a token for %q", repo)
		}
	}
	for what, o := range map[string]forge.AppOptions{
		"no key": {ID: 1}, "no ID": {Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})},
		"not a key": {ID: 1, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("s3cret")})},
	} {
		if _, err := forge.NewApp(o); brigade.CodeOf(err) != brigade.CodeInvalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func checkJWT(t *testing.T, key *rsa.PublicKey, header string, now time.Time) {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(header, "Bearer "), ".")
	if len(parts) != 3 {
		t.Errorf("authorization %q", header)
		return
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("signature: %v", err)
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Iat, Exp, Iss int64 }
	if err := json.Unmarshal(text, &claims); err != nil || claims.Iss != 2112 || claims.Iat >= now.Unix() || claims.Exp > now.Add(10*time.Minute).Unix() || claims.Exp <= now.Unix() {
		t.Errorf("claims %s", text)
	}
}

func TestAuthHidesItself(t *testing.T) {
	for _, a := range []forge.Auth{forge.Bearer("own"), forge.Token("own"), forge.Private("own"), forge.Basic("mona:own"), forge.Basic("own")} {
		if text := fmt.Sprintf("%v %+v %#v %s", a, a, a, a); strings.Contains(text, "own") {
			t.Errorf("it shows %q", text)
		}
	}
}
