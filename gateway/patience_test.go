package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/brigadecore/brigade/v3/gateway"
)

// A repository may send webhooks to a server with an App that is not installed
// there: its events are handled like those of a server without one.
func TestGitHubAppThatIsNotInstalled(t *testing.T) {
	s := serve(t, map[string]string{"GET /repos/acme/app/pulls/42": githubPull(false)})
	g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL), CheckSuiteOnPR: true})
	p := project("acme/app")
	p.GitHub.BaseURL = s.URL
	for name, types := range map[string]int{"github/pull_request-fork-member": 4, "github/issue_comment-brig-run": 2, "github/check_suite": 2} {
		events, err := completed(t, g, name, p)
		if err != nil || len(events) != types {
			t.Errorf("%s: %d events, %v", name, len(events), err)
			continue
		}
		if last := events[len(events)-1]; wrappedOf(t, last)["token"] != "" {
			t.Errorf("%s: %s", name, last.Payload)
		}
	}
	p.Repo.Token = "ghp_own"
	events, err := completed(t, g, "github/issue_comment-brig-run", p)
	if err != nil || events[0].Revision.Commit != head || events[0].Untrusted {
		t.Errorf("with the project's token: %+v, %v", events, err)
	}
}

// A forge that has a hiccup is asked again.
func TestForgesAreAskedAgain(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case asked.Add(1) <= 2:
			http.Error(w, "later", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/installation"):
			_, _ = io.WriteString(w, `{"id":771}`)
		default:
			_, _ = io.WriteString(w, tokenOK)
		}
	}))
	t.Cleanup(s.Close)
	g := gateway.NewGitHub(gateway.GitHubOptions{App: app(t, s.URL)})
	events, err := completed(t, g, "github/check_suite", project("acme/app"))
	if err != nil || wrappedOf(t, events[0])["token"] != "ghs_fresh" || asked.Load() != 4 {
		t.Errorf("asked %d times: %+v, %v", asked.Load(), events, err)
	}
}
