package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// Behind intake, every case of the forges is answered as its golden file says:
// builds for its events once, the same builds for a repeat, and one answer for
// a wrong secret and for a project that is not there.
func TestForgesServed(t *testing.T) {
	for name, f := range forges {
		for _, c := range cases(t, name) {
			t.Run(name+"/"+c.name, func(t *testing.T) { serveCase(t, f.gateway, f.sign, c) })
		}
	}
}

func serveCase(t *testing.T, g brigade.Gateway, sign func(http.Header, string, []byte), c testCase) {
	want := read(t, g, c)
	store := memory.New(memory.Options{})
	in, err := intake.New(intake.Options{Store: store, Feed: feed.New(feed.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if want.Project != "" {
		p := project("github.com/" + want.Project) // found without the host, too
		if err := store.PutProject(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	handler, err := in.Handler([]brigade.Gateway{g})
	if err != nil {
		t.Fatal(err)
	}
	send := func(key string, body []byte) (int, string) {
		_, path, _ := strings.Cut(g.Routes()[0], " ")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header = c.header.Clone()
		sign(r.Header, key, body)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	count := func() int {
		builds, err := store.ListBuilds(t.Context(), brigade.BuildFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(builds)
	}
	if want.Error == nil && want.Project != "" {
		wrong, text := send("another secret", c.body)
		stranger, other := send(secret, bytes.ReplaceAll(bytes.ReplaceAll(c.body, []byte("acme/"), []byte("nobody/")), []byte(`"ACME"`), []byte(`"NOBODY"`)))
		if wrong != http.StatusUnauthorized || stranger != wrong || other != text {
			t.Errorf("a wrong secret: %d %s; no such project: %d %s", wrong, text, stranger, other)
		}
	}
	if count() != 0 {
		t.Fatal("a refused request started a build")
	}
	first, answer := send(secret, c.body)
	switch {
	case want.Error != nil:
		if first != want.Error.Code.HTTPStatus() || strings.Contains(answer, "goroutine") {
			t.Errorf("answer %d %s", first, answer)
		}
	case want.Ignored != "":
		if first != http.StatusOK || !strings.Contains(answer, "ignored") || count() != 0 {
			t.Errorf("answer %d %s with %d builds", first, answer, count())
		}
	default:
		if first != http.StatusAccepted || count() != len(want.Events) {
			t.Errorf("answer %d %s with %d builds, want %d", first, answer, count(), len(want.Events))
		}
		if again, _ := send(secret, c.body); again != http.StatusOK || count() != len(want.Events) {
			t.Errorf("a repeat is answered %d and there are %d builds, want %d", again, count(), len(want.Events))
		}
	}
	if strings.Contains(answer, secret) {
		t.Errorf("the answer holds the secret: %s", answer)
	}
}
