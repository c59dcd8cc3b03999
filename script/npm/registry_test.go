package npm

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestErrorsOfTheRegistry(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"lodahs":"1"}}`)
	w.fail(Request{}, `no package "lodahs"`, w.reg.url(), "Not found", `Did you mean "lodash"?`)

	w.write("brigade.json", `{"dependencies":{"mylib":"9.9.9"}}`)
	for _, v := range []string{"1.0.0", "2.0.0", "8.1.0", "9.9.8", "10.0.0"} {
		w.reg.add("mylib@"+v, "")
	}
	w.fail(Request{}, `no version of "mylib" matches "9.9.9"`, "9.9.8, 10.0.0", "latest is 10.0.0")

	w.reg.add("top@1.0.0", `"dependencies":{"mylbi":"*"}`)
	w.write("brigade.json", `{"dependencies":{"top":"1.0.0","mylib":"*"}}`)
	w.fail(Request{}, "needed by top@1.0.0", `Did you mean "mylib"?`)

	w.write("brigade.json", `{"dependencies":{"@corp/secret":"1"}}`)
	w.fail(Request{}, `"@corp/secret"`, "@corp:registry=")

	w.env["npm_config_registry"] = "http://127.0.0.1:1/"
	w.write("brigade.json", `{"dependencies":{"mylib":"3"}}`)
	w.cache = t.TempDir()
	w.fail(Request{}, "cannot be reached", "registry=")
	w.env["npm_config_registry"] = "ftp://x/"
	w.fail(Request{}, "not an http(s) address")
}

func TestRetries(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", "")
	left := 3
	w.reg.intercept(func(rw http.ResponseWriter, r *http.Request) bool {
		if left--; left < 0 {
			left = 3
			return false
		}
		switch left {
		case 0:
			rw.WriteHeader(http.StatusTooManyRequests)
		case 1: // breaks off in the middle
			rw.Header().Set("Content-Length", "100")
			fmt.Fprint(rw, "{")
		default:
			rw.WriteHeader(http.StatusBadGateway)
		}
		return true
	})
	w.install(Request{})
	if n := len(w.reg.requests()); n != 8 {
		t.Errorf("%d requests, want 8", n)
	}
	w.cache = t.TempDir()
	w.reg.intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(rw, `{"error":"out of cheese"}`)
		return true
	})
	w.fail(Request{}, "500", "out of cheese")
	if n := len(w.reg.requests()); n != 1+maxRetries {
		t.Errorf("%d requests, want %d", n, 1+maxRetries)
	}
}

func TestConditionalRequests(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1"}}`)
	w.reg.add("a@1.0.0", "")
	w.install(Request{SaveLock: true})
	w.reg.requests()
	var sent string
	w.reg.intercept(func(_ http.ResponseWriter, r *http.Request) bool { sent = r.Header.Get("If-None-Match"); return false })
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	w.install(Request{SaveLock: true})
	if got := w.reg.requests(); len(got) != 1 || sent == "" {
		t.Errorf("requests %v, If-None-Match %q", got, sent)
	}
	w.reg.intercept(nil)
	w.reg.add("a@1.1.0", "")
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	if got := layout(t, w.install(Request{SaveLock: true})); got != "a@1.1.0" {
		t.Error(got)
	}
	// A version that is pinned exactly needs no question at all.
	w.write("brigade.json", `{"dependencies":{"a":"1.0.0"}}`)
	w.reg.requests()
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	w.install(Request{SaveLock: true})
	if got := w.reg.requests(); len(got) != 0 {
		t.Errorf("requests %v", got)
	}
}

// TestStaleWhenUnreachable: a registry that is down does not stop a project
// whose packages were seen before.
func TestStaleWhenUnreachable(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1"}}`)
	w.reg.add("a@1.0.0", "")
	w.install(Request{SaveLock: true})
	w.reg.server.Close()
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	tree := w.install(Request{SaveLock: true})
	if len(tree.Warnings) != 1 || !strings.Contains(tree.Warnings[0], "cannot be reached") {
		t.Errorf("warnings %v", tree.Warnings)
	}
}

// TestTokens: credentials reach the registry they belong to, nobody else, and
// no log.
func TestTokens(t *testing.T) {
	const secret = "s3cr3t-t0ken"
	var logged bytes.Buffer
	w := newWorkbench(t, `{"dependencies":{"@corp/a":"1","pub":"1"}}`)
	w.opts.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	corp, mirror := newRegistry(t), newRegistry(t)
	corp.add("@corp/a@1.0.0", "")
	w.reg.add("pub@1.0.0", "")
	// The private registry's tarballs redirect to a store on another host.
	path := "/@corp/a/-/a-1.0.0.tgz"
	mirror.files["/blob"] = corp.files[path]
	corp.before = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(rw, `{"error":"who are you? %s"}`, r.Header.Get("Authorization"))
			return true
		}
		if r.URL.Path == path {
			http.Redirect(rw, r, mirror.url()+"blob?sig=1", http.StatusFound)
			return true
		}
		return false
	}
	host := strings.TrimPrefix(corp.server.URL, "http:")
	w.write(".npmrc", "@corp:registry="+corp.url()+"\n"+host+"/:_authToken=${NPM_TOKEN}\n"+
		// Not even its own token is shown to a host that another sent us to.
		"@mirror:registry="+mirror.url()+"\n"+strings.TrimPrefix(mirror.server.URL, "http:")+"/:_authToken=mirrors-own\n")
	w.fail(Request{}, "401", "NPM_TOKEN, which is not set")
	w.env["NPM_TOKEN"] = "wrong-" + secret
	_, err := w.try(Request{})
	checkError(t, err, "401", "was refused")
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the token: %v", err)
	}
	w.env["NPM_TOKEN"] = secret
	corp.requests()
	w.reg.requests()
	tree := w.install(Request{SaveLock: true})
	for _, line := range append(w.reg.requests(), mirror.requests()...) {
		if strings.Contains(line, "auth") {
			t.Errorf("the token went to another host: %s", line)
		}
	}
	if n := strings.Count(strings.Join(corp.requests(), " "), "auth=Bearer "+secret); n != 2 {
		t.Errorf("%d requests with token, want 2", n)
	}
	if lock := w.read(LockFile); strings.Contains(lock, secret) || strings.Contains(lock, "sig=") {
		t.Errorf("the lock holds a credential: %s", lock)
	}
	if strings.Contains(logged.String()+fmt.Sprint(tree.Warnings), secret) {
		t.Errorf("the log holds the token: %s", logged.String())
	}
	delete(w.env, "NPM_TOKEN")
	w.write(".npmrc", "@corp:registry="+corp.url())
	w.cache = t.TempDir()
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	w.fail(Request{}, "401", "No credential is set", host+"/:_authToken=")
}

// TestPrivateDocuments: what was fetched with a token is not served from the
// cache to somebody without it.
func TestPrivateDocuments(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", "")
	w.write(".npmrc", strings.TrimPrefix(w.reg.server.URL, "http:")+"/:_auth=dTpw")
	w.install(Request{})
	if got := w.reg.requests(); !strings.HasSuffix(got[0], "auth=Basic dTpw") {
		t.Errorf("requests %v", got)
	}
	w.write(".npmrc", "")
	other := Request{Dir: t.TempDir(), Manifest: &Manifest{Dependencies: map[string]string{"a": "1"}}, Offline: true}
	w.fail(other, `package "a" is not in the cache`)
}

func TestConfig(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	files := map[string]string{
		filepath.Join(home, ".npmrc"): "registry = https://user.example/npm\n; note\n//user.example/npm/:_authToken = \"from-user\"\n//old.example/:username=joe\n//old.example/:_password=cHc=\nproxy=http://p.example:3128\nnoproxy=.corp,other:8080",
		filepath.Join(dir, ".npmrc"):  "@s:registry=https://scoped.example\nregistry=https://${HOST-x}${WHERE}/\n_authToken=bare\n",
	}
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(env map[string]string) *config {
		t.Helper()
		c, err := loadConfig(dir, home, env)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load(map[string]string{"HOST-x": "proj.", "WHERE": "example", "HTTPS_PROXY": "http://env:1"})
	for name, want := range map[string]string{"lodash": "https://proj.example/", "@s/x": "https://scoped.example/", "@other/x": "https://proj.example/"} {
		if got := c.registryFor(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for address, want := range map[string]string{
		"https://user.example/npm/lodash":     "Bearer from-user",
		"https://user.example/npm/a/-/a.tgz":  "Bearer from-user",
		"https://user.example/other/a.tgz":    "", // not below it, and not a registry here
		"http://user.example/npm/lodash":      "", // not in the clear
		"https://user.example:8443/npm/x":     "",
		"https://evil.example/user.example/":  "",
		"https://old.example/x":               "Basic am9lOnB3",
		"https://proj.example/x":              "Bearer bare", // belongs to the registry of the same file
		"https://registry.npmjs.org/x":        "",
		"https://scoped.example/@s%2fx":       "",
		"https://user.example.evil.com/npm/x": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		cred, _ := c.credentialFor(u)
		if got := cred.header(); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if s := fmt.Sprintf("%v %+v %#v", cred, cred, cred); strings.Contains(s, "bare") || strings.Contains(s, "from-user") {
			t.Errorf("a credential formats as %s", s)
		}
	}
	for address, want := range map[string]string{
		"https://registry.npmjs.org/": "http://p.example:3128", "http://x.corp/": "", "https://other:8080/": "",
		"https://other/": "http://p.example:3128", "http://localhost:99/": "",
	} {
		u, _ := url.Parse(address)
		p, err := c.proxyFor(u)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p); got != want && !(p == nil && want == "") {
			t.Errorf("proxy of %s: %s, want %s", address, got, want)
		}
	}
	c = load(map[string]string{"HOST-x": "h.", "WHERE": "example", "NPM_CONFIG_REGISTRY": "https://u:pw@env.example", "npm_config_@s:registry": "https://envscope.example/x"})
	if c.registry != "https://env.example/" || c.registryFor("@s/a") != "https://envscope.example/x/" {
		t.Errorf("environment: %s, %s", c.registry, c.registryFor("@s/a"))
	}
	u, _ := url.Parse("https://env.example/a")
	if cred, _ := c.credentialFor(u); cred.header() != "Basic dTpwdw==" {
		t.Errorf("credential of the address: %q", cred.header())
	}
}

func TestCertificates(t *testing.T) {
	reg := &fakeRegistry{t: t, docs: map[string]map[string]any{}, files: map[string][]byte{}}
	reg.server = httptest.NewTLSServer(reg)
	t.Cleanup(reg.server.Close)
	reg.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	reg.add("a@1.0.0", "")
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.env["npm_config_registry"] = reg.url()
	w.fail(Request{}, "cannot be reached", "cafile=")
	var pem bytes.Buffer
	writePEM(&pem, reg.server.Certificate().Raw)
	w.write("ca.pem", pem.String())
	w.write(".npmrc", "cafile=ca.pem")
	w.install(Request{})
	w.cache = t.TempDir()
	w.write(".npmrc", "strict-ssl=false")
	if tree := w.install(Request{}); len(tree.Warnings) != 1 {
		t.Errorf("warnings %v", tree.Warnings)
	}
	w.cache = t.TempDir()
	reg.intercept(func(rw http.ResponseWriter, r *http.Request) bool {
		http.Redirect(rw, r, w.reg.url()+"a", http.StatusFound)
		return true
	})
	w.fail(Request{}, "from https to plain http")
}
