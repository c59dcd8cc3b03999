// Package gitrepo makes git repositories for tests and serves them over HTTP,
// both with the git of this machine.
package gitrepo

import (
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repo is a repository with a work tree, on branch main.
type Repo struct {
	Dir string
	t   testing.TB
}

// New makes an empty repository that goes with the test. Without git the test
// is skipped.
func New(t testing.TB) *Repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: it serves the repository of this test")
	}
	r := At(t, t.TempDir())
	r.Git("init", "-q", "-b", "main")
	return r
}

// At is the repository that is in dir, or will be there.
func At(t testing.TB, dir string) *Repo { return &Repo{Dir: dir, t: t} }

// Git runs git in the repository, without this machine's settings, and returns
// what it prints.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@example.com", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Write writes a file of the work tree.
func (r *Repo) Write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// Handler serves the repository at Path to everybody.
func (r *Repo) Handler() http.Handler {
	r.t.Helper()
	return &cgi.Handler{
		Path: filepath.Join(r.Git("--exec-path"), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.Dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
}

// Path is where Handler serves the repository.
func (r *Repo) Path() string { return "/" + filepath.Base(r.Dir) + "/.git" }

// WithToken lets in who gives the token as a password, and everybody when it is
// "".
func WithToken(token string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, got, _ := r.BasicAuth(); token != "" && got != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you, "+got+"?", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
