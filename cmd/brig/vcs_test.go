package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/gitrepo"
	"github.com/brigadecore/brigade/v3/workspace"
)

// gitServer serves a repository with one commit to who has the token, after so
// many answers that it is not well.
func gitServer(t *testing.T, token string, unwell int32) (address, commit string) {
	t.Helper()
	repo := gitrepo.New(t)
	repo.Write("brigade.js", "// fetched\n")
	repo.Git("add", ".")
	repo.Git("commit", "-qm", "one")
	served := gitrepo.WithToken(token, repo.Handler())
	var left atomic.Int32
	left.Store(unwell)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) >= 0 {
			http.Error(w, "not well", http.StatusServiceUnavailable)
			return
		}
		served.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + repo.Path(), repo.Git("rev-parse", "HEAD")
}

func TestVCS(t *testing.T) {
	address, commit := gitServer(t, "s3cret-token", 1)
	sh := newShell(t)
	dir := t.TempDir()
	vcs := func(env map[string]string, argv ...string) (string, int) {
		t.Helper()
		sh.env = map[string]string{"BRIGADE_REMOTE_URL": address, "BRIGADE_WORKSPACE": dir, "BRIGADE_REPO_AUTH_TOKEN": "s3cret-token"}
		for k, v := range env {
			sh.env[k] = v
		}
		out, errs, code := sh.brig(append([]string{"vcs"}, argv...)...)
		if out != "" {
			t.Errorf("printed to standard output: %q", out)
		}
		if strings.Contains(errs, "s3cret") || strings.Contains(errs, "c2VjcmV0") {
			t.Errorf("it shows the token: %s", errs)
		}
		return errs, code
	}
	errs, code := vcs(map[string]string{"BRIGADE_COMMIT_ID": commit, "BRIGADE_COMMIT_REF": "refs/heads/main", "BRIGADE_SUBMODULES": "true"})
	if code != 0 || !strings.Contains(errs, "try 1 of 5") || !strings.Contains(errs, "checked out "+commit) {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "brigade.js")); err != nil || string(text) != "// fetched\n" {
		t.Fatalf("%q %v", text, err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		code int
		want string
	}{
		"no repository":       {map[string]string{"BRIGADE_REMOTE_URL": ""}, 2, "BRIGADE_REMOTE_URL"},
		"wrong token":         {map[string]string{"BRIGADE_REPO_AUTH_TOKEN": "other-s3cret"}, 6, "does not let us in"},
		"no such ref":         {map[string]string{"BRIGADE_COMMIT_REF": "refs/heads/nope"}, 6, "no revision"},
		"odd submodules":      {map[string]string{"BRIGADE_SUBMODULES": "perhaps"}, 2, "neither true nor false"},
		"no list of hosts":    {map[string]string{"BRIGADE_REPO_KNOWN_HOSTS": "/does/not/exist"}, 2, "cannot be read"},
		"no directory":        {map[string]string{"BRIGADE_WORKSPACE": filepath.Join(dir, "nope")}, 6, "cannot be read"},
		"another repository":  {map[string]string{"BRIGADE_PROJECT_CLONE_URL": "https://example.com/acme/app"}, 6, "does not let us in"},
		"password in address": {map[string]string{"BRIGADE_REMOTE_URL": "http://ann:an0ther-s3cret@127.0.0.1:1/x"}, 6, "cannot be cloned"},
		"ssh without a key":   {map[string]string{"BRIGADE_REMOTE_URL": "git@127.0.0.1:x/y"}, 6, "needs an SSH key"},
	} {
		if errs, code := vcs(c.env, "--tries", "1"); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d: %s", name, code, errs)
		}
	}
	if errs, code := vcs(nil, "--timeout", "1ns"); code != 6 || !strings.Contains(errs, "not fetched within") {
		t.Errorf("timeout: exit %d: %s", code, errs)
	}
}

// TestWorkspaceCommands runs what a pod runs beside a job.
func TestWorkspaceCommands(t *testing.T) {
	dir := t.TempDir()
	server, err := workspace.New(workspace.Options{Dir: dir, Key: []byte("a key that has 32 bytes or some more")})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	defer front.Close()
	build, err := server.BuildToken(workspace.BuildGrant{Build: "b1", Project: "p"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := workspace.JobToken(build, workspace.JobGrant{Job: "j-b1", Share: true})
	if err != nil {
		t.Fatal(err)
	}
	sh := newShell(t)
	share, state := t.TempDir(), t.TempDir()
	sh.env = map[string]string{workspace.URLEnv: front.URL, workspace.TokenEnv: token}
	if out, errs, code := sh.brig("workspace", "fetch", "--share", share, "--state", state); code != 0 || out+errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if err := os.WriteFile(filepath.Join(share, "x"), []byte("left by the job"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan os.Signal, 1)
	ended <- os.Interrupt // what kubelet sends once the job is over
	sh.sig = ended
	if out, errs, code := sh.brig("workspace", "sidecar", "--share", share, "--state", state); code != 0 || out+errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "builds", "b1", "share", "x")); err != nil || string(text) != "left by the job" {
		t.Errorf("%q %v", text, err)
	}
	delete(sh.env, workspace.TokenEnv)
	if _, errs, code := sh.brig("workspace", "fetch", "--share", share, "--state", state); code != 2 || !strings.Contains(errs, workspace.TokenEnv) {
		t.Errorf("exit %d: %s", code, errs)
	}
}
