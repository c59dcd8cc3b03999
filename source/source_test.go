package source_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/gitrepo"
	"github.com/brigadecore/brigade/v3/source"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return gitrepo.At(t, dir).Git(args...)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	gitrepo.At(t, dir).Write(name, text)
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// repository makes one with two commits on main, a tag on the first, a pull
// request's ref, and a branch.
func repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	dir = gitrepo.New(t).Dir
	write(t, dir, "file", "one")
	write(t, dir, "sub/deep", "deep")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	first = git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "tag", "v1")
	git(t, dir, "checkout", "-qb", "feature")
	write(t, dir, "file", "feature")
	git(t, dir, "commit", "-qam", "feature")
	git(t, dir, "update-ref", "refs/pull/7/head", "HEAD")
	git(t, dir, "checkout", "-q", "main")
	write(t, dir, "file", "two")
	git(t, dir, "commit", "-qam", "two")
	return dir, first, git(t, dir, "rev-parse", "HEAD")
}

// serve serves the repository over HTTP, to who knows the token.
func serve(t *testing.T, dir, token string) string {
	t.Helper()
	repo := gitrepo.At(t, dir)
	srv := httptest.NewServer(gitrepo.WithToken(token, repo.Handler()))
	t.Cleanup(srv.Close)
	return srv.URL + repo.Path()
}

func TestCloneRevisions(t *testing.T) {
	dir, first, second := repository(t)
	address := serve(t, dir, "")
	for name, c := range map[string]struct {
		rev  brigade.Revision
		want string
	}{
		"nothing":         {brigade.Revision{}, "two"},
		"default of v1":   {brigade.Revision{Ref: "master"}, "two"},
		"branch":          {brigade.Revision{Ref: "feature"}, "feature"},
		"full ref":        {brigade.Revision{Ref: "refs/heads/feature"}, "feature"},
		"tag":             {brigade.Revision{Ref: "v1"}, "one"},
		"pull request":    {brigade.Revision{Ref: "refs/pull/7/head"}, "feature"},
		"commit":          {brigade.Revision{Commit: second}, "two"},
		"older commit":    {brigade.Revision{Commit: first}, "one"},
		"commit over ref": {brigade.Revision{Commit: first, Ref: "main"}, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			p := brigade.NewProject("acme/app")
			p.Repo.CloneURL = address
			temp := t.TempDir()
			f := source.New(source.Options{Clone: true, Temp: temp})
			got, release, err := f.Fetch(context.Background(), p, &brigade.Build{Event: brigade.Event{Revision: c.rev}}, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, got, "file"); text != c.want {
				t.Errorf("file = %q, want %q", text, c.want)
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(temp); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestCloneFromForkWithToken(t *testing.T) {
	dir, _, _ := repository(t)
	address := serve(t, dir, "s3cret-token")
	p := brigade.NewProject("acme/app")
	p.Repo.CloneURL, p.Repo.Token = strings.Replace(address, filepath.Base(dir), "other", 1), "s3cret-token"
	build := &brigade.Build{Event: brigade.Event{CloneURL: address, Revision: brigade.Revision{Ref: "main"}}}
	f := source.New(source.Options{Clone: true, Temp: t.TempDir()})
	got, _, err := f.Fetch(context.Background(), p, build, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if text := read(t, got, "file"); text != "two" {
		t.Errorf("file = %q", text)
	}
	if config := read(t, got, ".git/config"); strings.Contains(config, "s3cret") {
		t.Error("the token was written to the clone's configuration, where jobs read it")
	}
}

func TestCredentialsGoToTheProjectsForgeOnly(t *testing.T) {
	sent := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Authorization")
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer elsewhere.Close()
	p := brigade.NewProject("acme/app")
	p.Repo.CloneURL, p.Repo.Token = "https://github.example.com/acme/app", "s3cret-token"
	build := &brigade.Build{Event: brigade.Event{CloneURL: elsewhere.URL + "/evil", Revision: brigade.Revision{Ref: "main"}}}
	_, _, err := source.New(source.Options{Clone: true, Temp: t.TempDir()}).Fetch(context.Background(), p, build, func(string) {})
	if brigade.CodeOf(err) != brigade.CodeSource {
		t.Fatalf("err = %v", err)
	}
	close(sent)
	asked := 0
	for header := range sent {
		asked++
		if header != "" {
			t.Error("the project's token was sent to another host")
		}
	}
	if asked == 0 {
		t.Error("the address of the event was not asked at all")
	}
}

func TestCloneFailures(t *testing.T) {
	dir, _, _ := repository(t)
	locked, open := serve(t, dir, "other"), serve(t, dir, "")
	for name, c := range map[string]struct {
		address, ref, token, want string
	}{
		"no address":     {"", "", "", "names no repository"},
		"no such ref":    {open, "nope", "", `no revision "nope"`},
		"no such commit": {open, strings.Repeat("ab", 20), "", "no revision"},
		"wrong token":    {locked, "main", "t0p-secret", "does not let us in"},
		"not there":      {open + "/other", "main", "", "there is no repository"},
		"nobody listens": {"http://user:t0p-secret@127.0.0.1:1/x", "main", "", "cannot be cloned"},
		"plain http":     {"http://example.invalid/x", "main", "t0p-secret", "plain http"},
		"nonsense":       {"ssh://git@", "main", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := brigade.NewProject("acme/app")
			p.Repo.CloneURL, p.Repo.Token = c.address, c.token
			rev := brigade.Revision{Ref: c.ref}
			if len(c.ref) == 40 {
				rev = brigade.Revision{Commit: c.ref}
			}
			temp := t.TempDir()
			f := source.New(source.Options{Clone: true, Temp: temp})
			_, _, err := f.Fetch(context.Background(), p, &brigade.Build{Event: brigade.Event{Revision: rev}}, func(string) {})
			var e *brigade.Error
			if !errors.As(err, &e) || e.Code != brigade.CodeSource || !strings.Contains(e.Message, c.want) {
				t.Fatalf("got %v (%T), want a source error with %q", err, err, c.want)
			}
			if strings.Contains(e.Message+e.Hint, "t0p-secret") {
				t.Errorf("the message shows the credentials: %s", e.Message)
			}
			if left, _ := os.ReadDir(temp); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestDirectoryAsItIs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "x", "1")
	got, release, err := source.New(source.Options{Dir: dir}).Fetch(context.Background(), brigade.NewProject("p"), &brigade.Build{}, func(string) {})
	if err != nil || got != dir || release != nil {
		t.Fatalf("got %q %v", got, err)
	}
	_, _, err = source.New(source.Options{Dir: filepath.Join(dir, "x")}).Fetch(context.Background(), brigade.NewProject("p"), &brigade.Build{}, func(string) {})
	if brigade.CodeOf(err) != brigade.CodeSource {
		t.Fatalf("a file as source: %v", err)
	}
}

func TestTrackedOnly(t *testing.T) {
	dir, _, _ := repository(t)
	write(t, dir, "file", "uncommitted")
	write(t, dir, "untracked", "x")
	if err := os.Symlink("file", filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here")
	}
	git(t, dir, "add", "link")
	if err := os.Remove(filepath.Join(dir, "sub", "deep")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "sub/new", "staged")
	git(t, dir, "add", "sub/new")
	got, _, err := source.New(source.Options{Dir: dir, TrackedOnly: true, Temp: t.TempDir()}).Fetch(context.Background(), brigade.NewProject("p"), &brigade.Build{}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if read(t, got, "file") != "uncommitted" || read(t, got, "link") != "uncommitted" || read(t, got, "sub/new") != "staged" {
		t.Error("the tracked files are not as they are in the work tree")
	}
	for _, name := range []string{"untracked", ".git", "sub/deep"} {
		if _, err := os.Lstat(filepath.Join(got, name)); err == nil {
			t.Errorf("%s was copied", name)
		}
	}
	sub, _, err := source.New(source.Options{Dir: filepath.Join(dir, "sub"), TrackedOnly: true, Temp: t.TempDir()}).Fetch(context.Background(), brigade.NewProject("p"), &brigade.Build{}, func(string) {})
	if err != nil || read(t, sub, "new") != "staged" {
		t.Errorf("below the top: %v", err)
	}
	if _, _, err := source.New(source.Options{Dir: t.TempDir(), TrackedOnly: true, Temp: t.TempDir()}).Fetch(context.Background(), brigade.NewProject("p"), &brigade.Build{}, func(string) {}); brigade.CodeOf(err) != brigade.CodeSource {
		t.Errorf("outside of git: %v", err)
	}
}

func TestHeadAndRemote(t *testing.T) {
	dir, _, second := repository(t)
	git(t, dir, "remote", "add", "origin", "https://me:t0ken@example.com/acme/app.git")
	if got := source.Head(filepath.Join(dir, "sub")); got.Commit != second || got.Ref != "refs/heads/main" {
		t.Errorf("Head = %+v", got)
	}
	if got := source.Remote(dir); got != "https://example.com/acme/app.git" {
		t.Errorf("Remote = %q", got)
	}
	if got := source.Head(t.TempDir()); got != (brigade.Revision{}) {
		t.Errorf("Head outside = %+v", got)
	}
}

func TestServersCloneNoPathsOfTheirs(t *testing.T) {
	dir, _, _ := repository(t)
	f := source.New(source.Options{Clone: true, Strangers: true, Temp: t.TempDir()})
	for _, address := range []string{dir, "file://" + dir, "./relative", "FILE://" + dir} {
		p := brigade.NewProject("acme/app")
		p.Repo.CloneURL = "https://example.invalid/app"
		build := &brigade.Build{Event: brigade.Event{CloneURL: address}}
		if _, _, err := f.Fetch(context.Background(), p, build, func(string) {}); brigade.CodeOf(err) != brigade.CodeSource || !strings.Contains(err.Error(), "own disk") && !strings.HasPrefix(address, "FILE") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
