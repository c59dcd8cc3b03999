package source_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/source"
)

// family makes repositories app and lib beside each other and returns app's
// directory; app has lib as its submodule, at that address, in which LIB is
// lib's directory.
func family(t *testing.T, address string) (app string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: it serves the repositories of these tests")
	}
	parent := t.TempDir()
	app, lib := filepath.Join(parent, "app"), filepath.Join(parent, "lib")
	for _, dir := range []string{app, lib} {
		write(t, dir, "file", filepath.Base(dir))
		git(t, dir, "init", "-q", "-b", "main")
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-qm", "one")
	}
	write(t, app, ".gitmodules", "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = "+strings.Replace(address, "LIB", filepath.ToSlash(lib), 1)+"\n")
	git(t, app, "update-index", "--add", "--cacheinfo", "160000,"+git(t, lib, "rev-parse", "HEAD")+",vendor/lib")
	git(t, app, "add", ".gitmodules")
	git(t, app, "commit", "-qm", "with a submodule")
	return app
}

func fetch(t *testing.T, p *brigade.Project) (string, error) {
	t.Helper()
	f := source.New(source.Options{Clone: true, Temp: t.TempDir()})
	dir, _, err := f.Fetch(t.Context(), p, &brigade.Build{Event: brigade.Event{Revision: brigade.Revision{Ref: "main"}}}, func(string) {})
	return dir, err
}

// holds returns the files below dir that contain the text.
func holds(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), text) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSubmodules(t *testing.T) {
	address := serve(t, family(t, "../../lib/.git"), "s3cret-token")
	withPassword := strings.Replace(address, "://", "://somebody:s3cret-token@", 1)
	withToken := strings.Replace(address, "://", "://s3cret-token@", 1)
	for name, repo := range map[string]brigade.Repo{
		"user and the project's token": {CloneURL: strings.Replace(address, "://", "://ann@", 1), Token: "s3cret-token", InitSubmodules: true},
		"token of the project":         {CloneURL: address, Token: "s3cret-token", InitSubmodules: true},
		"password in the address":      {CloneURL: withPassword, InitSubmodules: true},
		"token in the address":         {CloneURL: withToken, InitSubmodules: true},
		"not unless asked for":         {CloneURL: address, Token: "s3cret-token"},
	} {
		t.Run(name, func(t *testing.T) {
			p := brigade.NewProject("acme/app")
			p.Repo = repo
			dir, err := fetch(t, p)
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, dir, "file"); text != "app" {
				t.Errorf("file = %q", text)
			}
			text, err := os.ReadFile(filepath.Join(dir, "vendor", "lib", "file"))
			if got := string(text) == "lib"; got != repo.InitSubmodules {
				t.Errorf("the submodule was fetched: %v (%q, %v)", got, text, err)
			}
			if names := holds(t, dir, "s3cret"); len(names) > 0 {
				t.Errorf("jobs can read the token in %q", names)
			}
		})
	}
}

func TestSubmodulesFromElsewhere(t *testing.T) {
	var sent []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer elsewhere.Close()
	p := brigade.NewProject("acme/app")
	p.Repo = brigade.Repo{CloneURL: serve(t, family(t, elsewhere.URL+"/lib"), "s3cret-token"), Token: "s3cret-token", InitSubmodules: true}
	if _, err := fetch(t, p); brigade.CodeOf(err) != brigade.CodeSource || !strings.Contains(err.Error(), elsewhere.URL) {
		t.Errorf("err = %v", err)
	}
	if len(sent) == 0 || strings.Join(sent, "") != "" {
		t.Errorf("it was sent %q", sent)
	}
}

func TestSubmodulesOfThisMachine(t *testing.T) {
	for name, address := range map[string]string{"path": "LIB", "file": "file://LIB"} {
		t.Run(name, func(t *testing.T) {
			app := family(t, address)
			p := brigade.NewProject("acme/app")
			p.Repo = brigade.Repo{CloneURL: serve(t, app, ""), InitSubmodules: true}
			if _, err := fetch(t, p); brigade.CodeOf(err) != brigade.CodeSource || !strings.Contains(err.Error(), "a path of this machine") {
				t.Errorf("a repository from elsewhere got it: %v", err)
			}
			p.Repo.CloneURL = app // one's own may
			dir, err := fetch(t, p)
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, dir, "vendor/lib/file"); text != "lib" {
				t.Errorf("file = %q", text)
			}
		})
	}
}

func TestSplitToken(t *testing.T) {
	for address, want := range map[string][2]string{
		"https://example.com/acme/app":              {"https://example.com/acme/app", ""},
		"https://ann:s3cret@example.com/acme/app":   {"https://ann@example.com/acme/app", "s3cret"},
		"https://s3cret@example.com/acme/app":       {"https://example.com/acme/app", "s3cret"},
		"https://ann:p%40ss@example.com:8443/a?b=c": {"https://ann@example.com:8443/a?b=c", "p@ss"},
		"ssh://git@example.com/acme/app":            {"ssh://git@example.com/acme/app", ""},
		"git@example.com:acme/app":                  {"git@example.com:acme/app", ""},
		"/srv/git/app":                              {"/srv/git/app", ""},
		"":                                          {"", ""},
	} {
		without, token := source.SplitToken(address, false)
		if got := [2]string{without, token}; got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if without, token := source.SplitToken("https://ann@example.com/a", true); without != "https://ann@example.com/a" || token != "" {
		t.Errorf("a user's name: %q, %q", without, token)
	}
}
