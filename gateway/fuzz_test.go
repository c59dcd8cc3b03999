package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
)

// The targets start from all cases in testdata. Each input is the headers that
// matter and a body.

func FuzzGitHub(f *testing.F)    { fuzz(f, "github", "X-GitHub-Event") }
func FuzzGitLab(f *testing.F)    { fuzz(f, "gitlab", "X-Gitlab-Event") }
func FuzzGitea(f *testing.F)     { fuzz(f, "gitea", "X-Gitea-Event") }
func FuzzBitbucket(f *testing.F) { fuzz(f, "bitbucket", "X-Event-Key") }

func fuzz(f *testing.F, forge, eventHeader string) {
	for _, c := range cases(f, forge) {
		f.Add(c.header.Get(eventHeader), c.header.Get("Content-Type"), c.body)
	}
	entry := forges[forge]
	f.Fuzz(func(t *testing.T, event, contentType string, body []byte) {
		h := http.Header{}
		h.Set(eventHeader, event)
		h.Set("Content-Type", contentType)
		h.Set("X-GitHub-Delivery", "1")
		entry.sign(h, secret, body)
		reading, err := entry.gateway.Read(brigade.Inbound{Header: h, Body: body})
		if err != nil {
			refusedWell(t, err)
			return
		}
		if reading.Verify != nil {
			if err := reading.Verify(project("acme/app")); err != nil {
				t.Fatalf("a signed request is refused: %v", err)
			}
			other := bytes.Clone(body)
			if forge != "gitlab" && reading.Verify(&brigade.Project{SharedSecret: secret + "x"}) == nil {
				t.Fatalf("a request signed with another key is accepted: %q", other)
			}
		} else if len(reading.Events) > 0 {
			t.Fatal("events of nobody knows whom")
		}
		if (reading.Ignored == "") == (len(reading.Events) == 0) {
			t.Fatalf("ignored %q with %d events", reading.Ignored, len(reading.Events))
		}
		checkEvents(t, reading.Events)
		if reading.Complete == nil {
			return
		}
		settled, err := reading.Complete(context.Background(), project(reading.Project), reading.Events)
		var ignored *brigade.IgnoredError
		switch {
		case errors.As(err, &ignored):
		case err != nil:
			refusedWell(t, err)
		default:
			checkEvents(t, settled)
		}
	})
}

func refusedWell(t *testing.T, err error) {
	t.Helper()
	switch brigade.CodeOf(err) {
	case brigade.CodeInvalid, brigade.CodeTooLarge, brigade.CodeDenied:
	default:
		t.Fatalf("refused with %q: %v", brigade.CodeOf(err), err)
	}
	if strings.Contains(err.Error(), secret) {
		t.Fatalf("the error holds a secret: %v", err)
	}
}

func checkEvents(t *testing.T, events []brigade.Event) {
	t.Helper()
	keys := map[string]bool{}
	for _, e := range events {
		if e.Provider == "" || e.Type == "" || len(e.Type) > 256 {
			t.Fatalf("event %q of %q", e.Type, e.Provider)
		}
		for _, text := range []string{e.ShortTitle, e.LongTitle, e.Actor, e.Revision.Ref, e.CloneURL, e.ScriptRef} {
			if !utf8.ValidString(text) || len(text) > 5000 {
				t.Fatalf("text %q", text)
			}
		}
		for _, word := range []string{e.Revision.Ref, e.Revision.Commit, e.ScriptRef, e.CloneURL} {
			if strings.HasPrefix(word, "-") || strings.ContainsAny(word, " \n\r\x00") {
				t.Fatalf("git would misread %q", word)
			}
		}
		if e.CloneURL != "" && (!e.Untrusted || e.ScriptRef == "") {
			t.Fatalf("a fork is trusted: %+v", e)
		}
		if e.Key != "" && keys[e.Key] {
			t.Fatalf("two events have the key %q", e.Key)
		}
		keys[e.Key] = true
	}
}
