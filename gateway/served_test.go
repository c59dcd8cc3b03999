package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// served is all gateways behind intake, with one project.
type served struct {
	intake  *intake.Intake
	store   *memory.Store
	handler http.Handler
}

func behindIntake(t *testing.T) served {
	t.Helper()
	store := memory.New(memory.Options{})
	p := trusting(word)
	p.ID = "brigade-4897c99315be5d2a2403ea33bdcb24f8116dc69613d5917d879d5f"
	if err := store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	in, err := intake.New(intake.Options{
		Store: store, Feed: feed.New(feed.Options{}), Limits: intake.Limits{Refused: 1 << 20},
		Now: func() time.Time { return received },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	handler, err := in.Handler(gateway.All(gateway.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return served{in, store, handler}
}

func (s served) send(t *testing.T, name string, text []byte) *httptest.ResponseRecorder {
	t.Helper()
	r, body, ok := request(named[name].sign, text, word)
	if !ok {
		t.Fatal("the request is none")
	}
	r.Body, r.ContentLength, r.RemoteAddr = io.NopCloser(bytes.NewReader(body)), int64(len(body)), "192.0.2.1:1"
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// Behind intake, every request of testdata is answered as its golden file
// says, starts as many builds, and leaves no secret in an answer, a delivery
// or a build.
func TestServed(t *testing.T) {
	for name := range named {
		for base, text := range requests(t, name) {
			t.Run(name+"/"+filepath.Base(base), func(t *testing.T) {
				s := behindIntake(t)
				golden, err := os.ReadFile(base + ".golden")
				if err != nil {
					t.Fatal(err)
				}
				var want answered
				if err := json.Unmarshal(golden, &want); err != nil {
					t.Fatal(err)
				}
				w := s.send(t, name, text)
				if status := want.httpStatus(); w.Code != status {
					t.Errorf("answered %d %s, not %d", w.Code, w.Body, status)
				}
				builds, err := s.store.ListBuilds(t.Context(), brigade.BuildFilter{})
				if err != nil || len(builds) != len(want.Events) {
					t.Errorf("%d builds for %d events: %v", len(builds), len(want.Events), err)
				}
				deliveries, err := s.intake.Deliveries(t.Context(), "", 10)
				if err != nil || len(deliveries) != 1 {
					t.Errorf("%d deliveries: %v", len(deliveries), err)
				}
				if all := fmt.Sprintf("%+v %+v %s", deliveries, builds, w.Body); strings.Contains(all, word) {
					t.Errorf("the secret shows in %s", all)
				}
				// The same once more starts nothing if the event has a key.
				if len(want.Events) == 0 || want.Events[0].Key == "" {
					return
				}
				if again := s.send(t, name, text); again.Code/100 != 2 {
					t.Errorf("a repeat is answered %d %s", again.Code, again.Body)
				}
				if more, err := s.store.ListBuilds(t.Context(), brigade.BuildFilter{}); err != nil || len(more) != len(builds) {
					t.Errorf("a repeat starts %d builds: %v", len(more)-len(builds), err)
				}
			})
		}
	}
}

// httpStatus is what the sender gets.
func (a answered) httpStatus() int {
	switch {
	case a.Error != nil:
		return a.Error.Code.HTTPStatus()
	case a.Refused != "":
		return http.StatusUnauthorized
	case a.Status != 0:
		return a.Status
	case a.Ignored != "":
		return http.StatusOK
	}
	return http.StatusAccepted
}
