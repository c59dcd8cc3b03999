package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRepoWithAToken gives the token in the address; the server does not let
// it in, and nothing that is kept or shown holds it.
func TestRepoWithAToken(t *testing.T) {
	var passwords []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		passwords = append(passwords, password)
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	sh := newShell(t)
	for _, user := range []string{"ann:t0p-secret", "t0p-secret"} {
		address := strings.Replace(server.URL, "://", "://"+user+"@", 1) + "/app.git"
		out, errs, code := sh.brig("run", "--repo", address, "--ref", "main", "--runner", "dummy")
		if code != 6 || !strings.Contains(out+errs, "does not let us in") {
			t.Errorf("exit %d: %s%s", code, out, errs)
		}
		list, _, _ := sh.brig("build", "list", "-o", "json")
		if strings.Contains(out+errs+list, "t0p-secret") || !strings.Contains(list, "/app") {
			t.Errorf("the token is shown, or the project's name is not as expected:\n%s%s%s", out, errs, list)
		}
	}
	if len(passwords) == 0 || strings.Join(passwords, "") != strings.Repeat("t0p-secret", len(passwords)) {
		t.Errorf("the server was sent %q", passwords)
	}
}

func TestRepoName(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/acme/app.git":       "acme/app",
		"https://token@github.com/acme/app/":    "acme/app",
		"https://u:p@example.com/app":           "example.com/app",
		"https://u:p@127.0.0.1:8080/app.git":    "127.0.0.1:8080/app",
		"git@github.com:acme/app.git":           "acme/app",
		"ssh://git@example.com/acme/deep/app":   "deep/app",
		"/srv/git/app":                          "git/app",
		"https://example.com/with/an@sign/name": "an@sign/name",
	} {
		if got := repoName(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
