package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/app"
)

// config is a file of the person's settings.
func (sh *shell) config(name string) string {
	sh.t.Helper()
	text, err := os.ReadFile(filepath.Join(sh.state, ".config", "brigade", name))
	if err != nil {
		sh.t.Fatal(err)
	}
	return string(text)
}

// forget has the shell work on no server any more.
func (sh *shell) forget() {
	delete(sh.env, "BRIGADE_SERVER")
	delete(sh.env, "BRIGADE_TOKEN_FILE")
}

func TestLogInWithAToken(t *testing.T) {
	sh := newShell(t)
	r := sh.serveHere()
	sh.servedProject()
	token, err := os.ReadFile(r.token)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(token))
	sh.forget()
	sh.refused(4, "acme/app", "project", "get", "acme/app") // this machine has no such project

	sh.stdin = "nonsense\n"
	sh.refused(7, "does not accept it", "login", r.url)
	sh.stdin = ""
	sh.refused(2, "is empty", "login", r.url)
	sh.stdin = secret + "\n"
	if out := sh.ok("login", r.url); !strings.Contains(out, "Logged in to "+r.url+" as local, who may: admin") {
		t.Errorf("login: %s", out)
	}
	sh.stdin = ""
	if text := sh.config("credentials.json"); !strings.Contains(text, secret) {
		t.Error("the token was not kept")
	}
	if text := sh.config("config.yaml"); strings.Contains(text, "brig_") || !strings.Contains(text, r.url) {
		t.Errorf("the settings:\n%s", text)
	}
	for _, name := range []string{"credentials.json", "config.yaml"} {
		info, err := os.Stat(filepath.Join(sh.state, ".config", "brigade", name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if out := sh.ok("project", "list"); !strings.Contains(out, "acme/app") {
		t.Errorf("the current context is not used:\n%s", out)
	}
	name := strings.ReplaceAll(strings.TrimPrefix(r.url, "http://"), ":", "-")
	if out := sh.ok("context", "list"); !strings.Contains(out, "*        "+name) || !strings.Contains(out, "local") || strings.Contains(out, "brig_") {
		t.Errorf("contexts:\n%s", out)
	}
	if out := sh.ok("context", "list", "-o", "yaml"); !strings.Contains(out, "loggedIn: true") || strings.Contains(out, "brig_") {
		t.Errorf("contexts:\n%s", out)
	}
	sh.refused(4, "acme/app", "project", "get", "acme/app", "--context", "local")
	sh.env["BRIGADE_CONTEXT"] = "local"
	sh.refused(4, "acme/app", "project", "get", "acme/app")
	sh.ok("project", "get", "acme/app", "--context", name)
	sh.ok("project", "get", "acme/app", "--server", r.url) // what opens it is known by its address
	delete(sh.env, "BRIGADE_CONTEXT")

	sh.ok("context", "rename", name, "prod")
	if out := sh.ok("context", "current"); out != "prod (context prod)\n" {
		t.Errorf("current: %q", out)
	}
	sh.ok("project", "get", "acme/app")
	if out := sh.ok("context", "current", "-o", "json"); !strings.Contains(out, `"said": "context prod"`) {
		t.Errorf("current: %s", out)
	}
	sh.ok("logout")
	if text := sh.config("credentials.json"); strings.Contains(text, "brig_") {
		t.Error("the token is still there")
	}
	sh.refused(7, "needs a token", "project", "list")
	sh.refused(4, "nobody is logged in", "logout", "prod")
	sh.ok("context", "use", "local")
	if out := sh.ok("project", "list"); strings.Contains(out, "acme") {
		t.Errorf("this machine: %s", out)
	}
	sh.file("token.txt", secret+"\n")
	sh.ok("login", r.url, "--token-file", "token.txt", "--name", "prod", "--no-use")
	if out := sh.ok("context", "current"); out != "local (context local)\n" {
		t.Errorf("--no-use: %q", out)
	}
	sh.ok("context", "use", "prod")
	if _, errs, _ := sh.brig("context", "delete", "prod"); !strings.Contains(errs, "it was the current one") {
		t.Errorf("delete: %s", errs)
	}
	sh.ok("build", "list")
}

func TestATokenGoesToItsServerOnly(t *testing.T) {
	sh := newShell(t)
	var mu sync.Mutex
	var seen []string
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer stranger.Close()
	r := sh.serveHere()
	sh.forget()
	sh.ok("login", r.url, "--token-file", r.token, "--name", "prod")
	other := strings.Replace(sh.config("config.yaml"), r.url, stranger.URL, 1)
	if err := os.WriteFile(filepath.Join(sh.state, ".config", "brigade", "config.yaml"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	sh.brig("project", "list")
	sh.ok("context", "set", "prod", "--server", r.url)
	sh.ok("project", "list")
	sh.ok("context", "set", "prod", "--server", stranger.URL)
	if text := sh.config("credentials.json"); strings.Contains(text, "brig_") {
		t.Error("the token of a server that the context does not lead to any more is still there")
	}
	sh.brig("project", "list")
	mu.Lock()
	defer mu.Unlock()
	if len(seen) == 0 || strings.Join(seen, "") != "" {
		t.Errorf("the stranger got %q", seen)
	}
}

func TestContexts(t *testing.T) {
	sh := newShell(t)
	if out := sh.ok("context", "list"); out != "CURRENT  NAME   KIND   WHERE\n*        local  local  this machine\n" {
		t.Errorf("without any:\n%q", out)
	}
	sh.env["KUBECONFIG"] = "/etc/kube/config"
	if out := sh.ok("context", "current", "-o", "name"); out != "local\n" {
		t.Errorf("KUBECONFIG alone selects %q", out)
	}
	sh.ok("context", "set", "dev", "-n", "brigade", "--kube-context", "kind")
	sh.ok("context", "set", "ci", "--server", "ci.example.org", "--use")
	want := `CURRENT  NAME   KIND     WHERE
         local  local    this machine
         dev    cluster  namespace brigade, context kind, kubeconfig /etc/kube/config
*        ci     server   https://ci.example.org
`
	if out := sh.ok("context", "list"); out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	for args, want := range map[string]string{
		"":                                      `"name": "ci"`,
		"--context local":                       `"kind": "local"`,
		"--context dev":                         `"namespace": "brigade"`,
		"--context dev -n other":                `"namespace": "other"`,
		"-n other":                              `"said": "a flag"`,
		"--kubeconfig /tmp/k":                   `"kubeconfig": "/tmp/k"`,
		"--server http://127.0.0.1:1":           `"said": "--server"`,
		"BRIGADE_NAMESPACE=ns":                  `"said": "BRIGADE_NAMESPACE"`,
		"BRIGADE_CONTEXT=dev":                   `"kubeContext": "kind"`,
		"BRIGADE_CONTEXT=dev -n x":              `"kubeContext": "kind"`,
		"BRIGADE_SERVER=http://a --context dev": `"name": "dev"`,
	} {
		argv := []string{"context", "current", "-o", "json"}
		variable := ""
		for _, word := range strings.Fields(args) {
			if name, value, ok := strings.Cut(word, "="); ok {
				sh.env[name], variable = value, name
				continue
			}
			argv = append(argv, word)
		}
		if out := sh.ok(argv...); !strings.Contains(out, want) {
			t.Errorf("%q: no %s in\n%s", args, want, out)
		}
		delete(sh.env, variable)
	}
	sh.refused(2, "cannot be used together", "build", "list", "--server", "x", "-n", "y")
	sh.refused(2, "cannot be used together", "build", "list", "--server", "x", "--context", "dev")
	sh.refused(2, "which is none", "build", "list", "--context", "ci", "-n", "y")
	sh.refused(4, "local, dev, ci", "context", "use", "nope")
	sh.refused(4, "local, dev, ci", "build", "list", "--context", "nope")
	sh.refused(2, "cannot be named", "context", "set", "local", "--server", "x")
	sh.refused(2, "where is", "context", "set", "new")
	sh.refused(5, "already", "context", "rename", "dev", "ci")
	sh.refused(2, "always there", "context", "delete", "local")
	sh.refused(2, "which project?", "run")
	if out := sh.ok("__complete", "context", "use", "d"); !strings.Contains(out, "dev\t") {
		t.Errorf("completion:\n%s", out)
	}
	file := filepath.Join(sh.state, ".config", "brigade", "config.yaml")
	for _, bad := range []string{"current: [", "contexts:\n- name: x\n  kind: nope\n", "other: 1\n", "contexts:\n- {name: a, kind: cluster}\n- {name: a, kind: cluster}\n"} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		sh.refused(2, "config.yaml cannot be read", "build", "list")
		sh.refused(2, "config.yaml cannot be read", "run")
	}
	sh.ok("version")
}

// issuer is an OpenID provider at which somebody confirms every code.
type issuer struct {
	*httptest.Server
	t      *testing.T
	sign   func(claims map[string]any) string
	mu     sync.Mutex
	lasts  time.Duration // how long an ID token does
	given  int
	ended  bool
	reused string
}

func (p *issuer) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	last := fmt.Sprintf("refresh-%d", p.given)
	if r.FormValue("grant_type") == "refresh_token" && (p.ended || r.FormValue("refresh_token") != last) {
		p.reused = r.FormValue("refresh_token")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	p.given++
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": "a", "token_type": "Bearer", "refresh_token": fmt.Sprintf("refresh-%d", p.given),
		"id_token": p.sign(map[string]any{"iss": p.URL, "aud": "brig-cli", "sub": "kim", "exp": time.Now().Add(p.lasts).Unix(), "groups": []string{"devs"}}),
	})
}

func (p *issuer) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// state is how many tokens were given, and which one was used twice.
func (p *issuer) state() (given int, reused string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given, p.reused
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, keys := signingKey(t)
	p := &issuer{t: t, lasts: time.Hour, sign: key}
	mux := http.NewServeMux()
	answer := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v())
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", answer(func() any {
		return map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "token_endpoint": p.URL + "/token", "device_authorization_endpoint": p.URL + "/device",
			"authorization_endpoint": p.URL + "/auth", "id_token_signing_alg_values_supported": []string{"RS256"}}
	}))
	mux.HandleFunc("GET /keys", answer(func() any { return keys }))
	mux.HandleFunc("POST /device", answer(func() any {
		return map[string]any{"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": p.URL + "/confirm", "expires_in": 600, "interval": 1}
	}))
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func TestLogInAtAProvider(t *testing.T) {
	sh := newShell(t)
	p := newIssuer(t)
	r := sh.serveWith(func(o *app.ServerOptions) {
		o.OIDC = oidc.Options{Issuer: p.URL, ClientID: "brig-cli", Grants: []oidc.Grant{{Value: "devs", Scopes: []api.Scope{api.ScopeRead}}}}
	})
	sh.forget()
	out, errs, code := sh.brig("login", r.url, "--oidc", "--name", "sso")
	if code != 0 || !strings.Contains(errs, "ABCD-EFGH") || !strings.Contains(errs, p.URL+"/confirm") || !strings.Contains(out, "as kim, who may: read") {
		t.Fatalf("login: exit %d\n%s%s", code, out, errs)
	}
	sh.ok("build", "list")
	if given, _ := p.state(); given != 1 {
		t.Errorf("renewed %d times without a need", given-1)
	}
	sh.refused(7, "admin", "token", "list")

	p.set(func() { p.lasts = renewBefore - 5*time.Second }) // so that every command renews it
	sh.expire()
	sh.ok("build", "list")
	sh.ok("build", "list")
	if given, reused := p.state(); given < 3 || reused != "" || !strings.Contains(sh.config("credentials.json"), fmt.Sprintf("refresh-%d", given)) {
		t.Errorf("renewed %d times, %q was used twice", given-1, reused)
	}
	var group sync.WaitGroup
	for range 4 { // refresh tokens are for once: one process at a time
		other := sh.also()
		group.Go(func() {
			if _, errs, code := other.brig("build", "list"); code != 0 {
				t.Errorf("at the same time: exit %d %s", code, errs)
			}
		})
	}
	group.Wait()
	if _, reused := p.state(); reused != "" {
		t.Errorf("%q was used twice", reused)
	}
	sh.expire()
	p.set(func() { p.ended = true })
	sh.refused(7, "log in again: brig login "+r.url, "build", "list")
	if _, errs, code := sh.brig("logout", "sso"); code != 0 {
		t.Errorf("logout: %d %s", code, errs)
	}
	if text := sh.config("credentials.json"); strings.Contains(text, "refresh") {
		t.Error("the login is still there")
	}
}

// expire makes the kept ID token one that has expired.
func (sh *shell) expire() {
	sh.t.Helper()
	file := filepath.Join(sh.state, ".config", "brigade", "credentials.json")
	var all credentials
	if err := json.Unmarshal([]byte(sh.config("credentials.json")), &all); err != nil {
		sh.t.Fatal(err)
	}
	for _, c := range all {
		c.OIDC.Expires = time.Now().Add(-time.Minute)
	}
	text, err := json.Marshal(all)
	if err != nil {
		sh.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		sh.t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	sh := newShell(t)
	sh.refused(2, "pages on a server only", "open")
	r := sh.serveHere()
	sh.servedProject()
	if out := sh.ok("open"); out != r.url+"/\n" { // no display
		t.Errorf("open: %q", out)
	}
	if out := sh.ok("open", "--project", "acme/app", "--print"); out != r.url+"/projects/acme/app\n" {
		t.Errorf("open a project: %q", out)
	}
	sh.refused(4, "there is no", "open", "01nope")
	s := sh.shellState(&bytes.Buffer{}, &bytes.Buffer{})
	for _, bad := range []string{"file:///etc/passwd", "-x", "javascript:alert(1)", ""} {
		if err := s.openURL(bad); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
