package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
)

// The gateways of this file are those whose route names the project. A case is
// a request in testdata/<gateway>/<name>.http, and what becomes of it in
// <name>.golden. In a request {{secret}} stands for the project's secret, and
// {{signature}} for the right signature, and {{basic}} for the secret as a
// password.

const word = "s3cret-of-the-project"

// received is when the requests come in.
var received = time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)

// named are those gateways, and how the signature of each is made.
var named = map[string]struct {
	gateway brigade.Gateway
	sign    func(key string, h http.Header, body []byte) string
}{
	"generic":     {gateway: gateway.NewGeneric()},
	"cloudevents": {gateway: gateway.NewCloudEvents()},
	"registry":    {gateway: gateway.NewRegistry()},
	"slack": {gateway.NewSlack(), func(key string, h http.Header, body []byte) string {
		return mac(key, append([]byte("v0:"+h.Get("X-Slack-Request-Timestamp")+":"), body...))
	}},
	"webhook": {gateway.NewWebhook(), func(key string, h http.Header, body []byte) string {
		if at := h.Get("X-Brigade-Timestamp"); at != "" {
			key += "." + at
		}
		return mac(key, body)
	}},
}

// trusting is a project whose every secret is key.
func trusting(key string) *brigade.Project {
	p := brigade.NewProject("acme/app")
	p.GenericGatewaySecret, p.Registry.Token = key, key
	p.Secrets = map[string]any{"slackSigningSecret": key}
	return p
}

// request reads a request as it comes over the wire; ok is false when it is none.
func request(sign func(string, http.Header, []byte) string, text []byte, key string) (r *http.Request, body []byte, ok bool) {
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	head = bytes.ReplaceAll(head, []byte("{{secret}}"), []byte(key))
	head = bytes.ReplaceAll(head, []byte("{{basic}}"), []byte(base64.StdEncoding.EncodeToString([]byte("registry:"+key))))
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head, "\n\n"...))))
	if err != nil || !strings.HasPrefix(r.URL.Path, "/") {
		return nil, nil, false
	}
	if sign != nil {
		signature := sign(key, r.Header, body)
		for name, values := range r.Header {
			r.Header.Set(name, strings.ReplaceAll(values[0], "{{signature}}", signature))
		}
	}
	return r, body, true
}

// inbound is the request as gw sees it; ok is false when no route takes it.
func inbound(gw brigade.Gateway, sign func(string, http.Header, []byte) string, text []byte, key string) (in brigade.Inbound, ok bool) {
	r, body, ok := request(sign, text, key)
	if !ok {
		return in, false
	}
	ok = false
	mux := http.NewServeMux()
	for _, route := range gw.Routes() {
		mux.HandleFunc(route, func(_ http.ResponseWriter, r *http.Request) {
			ok = true
			in = brigade.Inbound{Route: route, Path: r.PathValue, Query: r.URL.Query(), Header: r.Header, Body: body, Received: received}
		})
	}
	mux.ServeHTTP(nowhere{}, r)
	return in, ok
}

// nowhere is a ResponseWriter that nobody reads.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

func requests(t testing.TB, name string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", name, "*.http"))
	if err != nil || len(files) < 8 {
		t.Fatalf("only %d requests of %s: %v", len(files), name, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(file, ".http")] = text
	}
	return all
}

// answered is what a golden file of a request holds.
type answered struct {
	Route   string `json:"route"`
	Refused string `json:"refused,omitempty"` // by Verify
	outcome
	Status int         `json:"status,omitempty"`
	Header http.Header `json:"header,omitempty"`
	Answer any         `json:"answer,omitempty"`
}

func TestNamedGolden(t *testing.T) {
	for name, g := range named {
		for base, text := range requests(t, name) {
			t.Run(name+"/"+filepath.Base(base), func(t *testing.T) {
				in, ok := inbound(g.gateway, g.sign, text, word)
				if !ok {
					t.Fatal("no route takes the request")
				}
				got, err := json.MarshalIndent(answer(t, g.gateway, in), "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, '\n')
				if bytes.Contains(got, []byte(word)) {
					t.Errorf("the secret shows in %s", got)
				}
				if *update {
					if err := os.WriteFile(base+".golden", got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(base + ".golden")
				if err != nil {
					t.Fatalf("%v: run go test ./gateway -update, and read what it wrote", err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("got %s\nwant %s", got, want)
				}
			})
		}
	}
}

func answer(t *testing.T, gw brigade.Gateway, in brigade.Inbound) answered {
	t.Helper()
	a := answered{Route: in.Route}
	reading, err := gw.Read(in)
	if err != nil {
		var e *brigade.Error
		if !errors.As(err, &e) {
			t.Fatalf("the error %v is no *brigade.Error", err)
		}
		a.Error = e
		return a
	}
	a.Project = reading.Project
	if err := reading.Verify(trusting(word)); err != nil {
		a.Refused = err.Error()
		return a
	}
	a.Ignored, a.Header = reading.Ignored, reading.Header
	if reading.Complete != nil {
		if reading.Events, err = reading.Complete(context.Background(), trusting(word), reading.Events); err != nil {
			t.Fatal(err)
		}
	}
	a.Events = short(reading.Events, in.Body)
	if reading.Answer != nil {
		var builds []*brigade.Build
		for i := range reading.Events {
			builds = append(builds, &brigade.Build{ID: fmt.Sprintf("01build%d", i+1), Project: "acme/app"})
		}
		a.Status, a.Answer = reading.Answer(builds)
	}
	return a
}

// Whatever is decoded is refused without the secret, with another, and by a
// project that has none, also when the empty one is given.
func TestNamedVerify(t *testing.T) {
	for name, g := range named {
		checked := 0
		for base, text := range requests(t, name) {
			in, ok := inbound(g.gateway, g.sign, text, word)
			if !ok {
				t.Fatalf("%s: no route takes the request", base)
			}
			reading, err := g.gateway.Read(in)
			if err != nil || reading.Verify(trusting(word)) != nil {
				continue
			}
			checked++
			for what, p := range map[string]*brigade.Project{"another secret": trusting(word + "x"), "no secret": trusting("")} {
				if err := reading.Verify(p); brigade.CodeOf(err) != brigade.CodeDenied {
					t.Errorf("%s: a project with %s accepts it: %v", base, what, err)
				}
			}
			for _, key := range []string{"", "another"} {
				in, ok := inbound(g.gateway, g.sign, text, key)
				if !ok {
					continue // without a secret it is another path
				}
				reading, err := g.gateway.Read(in)
				if err != nil {
					continue // or another route's
				}
				for _, p := range []*brigade.Project{trusting(word), trusting("")} {
					if err := reading.Verify(p); brigade.CodeOf(err) != brigade.CodeDenied {
						t.Errorf("%s: signed with %q it is accepted by a project with %q: %v", base, key, p.GenericGatewaySecret, err)
					}
				}
			}
		}
		if checked < 4 {
			t.Errorf("%s: only %d requests are accepted", name, checked)
		}
	}
}

// The routes of all gateways go together.
func TestRoutesDoNotContradict(t *testing.T) {
	mux, names := http.NewServeMux(), map[string]bool{}
	for _, gw := range gateway.All(gateway.Options{}) {
		if names[gw.Name()] {
			t.Errorf("two gateways are called %s", gw.Name())
		}
		names[gw.Name()] = true
		for _, route := range gw.Routes() {
			mux.HandleFunc(route, func(http.ResponseWriter, *http.Request) {}) // panics about a contradiction
		}
	}
	for name := range named {
		if !names[name] {
			t.Errorf("%s is not listed in All", name)
		}
	}
}

func FuzzGeneric(f *testing.F)     { fuzzNamed(f, "generic") }
func FuzzCloudEvents(f *testing.F) { fuzzNamed(f, "cloudevents") }
func FuzzRegistry(f *testing.F)    { fuzzNamed(f, "registry") }
func FuzzSlack(f *testing.F)       { fuzzNamed(f, "slack") }
func FuzzWebhook(f *testing.F)     { fuzzNamed(f, "webhook") }

func fuzzNamed(f *testing.F, name string) {
	g := named[name]
	for _, text := range requests(f, name) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in, ok := inbound(g.gateway, g.sign, text, word)
		if !ok {
			return
		}
		reading, err := g.gateway.Read(in)
		if err != nil {
			refusedWell(t, err)
			if strings.Contains(err.Error(), word) {
				t.Fatalf("the error holds the secret: %v", err)
			}
			return
		}
		if reading.Project == "" || reading.Verify == nil {
			t.Fatal("a request that need not be authentic")
		}
		if reading.Verify(trusting("")) == nil || reading.Verify(&brigade.Project{}) == nil {
			t.Fatal("a project without a secret accepts it")
		}
		if (reading.Ignored == "") == (len(reading.Events) == 0) {
			t.Fatalf("ignored %q with %d events", reading.Ignored, len(reading.Events))
		}
		events := reading.Events
		if reading.Complete != nil {
			if events, err = reading.Complete(context.Background(), trusting(word), events); err != nil {
				t.Fatal(err)
			}
		}
		checkEvents(t, events)
		for _, e := range events {
			if !utf8.ValidString(e.Payload) {
				t.Fatalf("the payload is no text: %q", e.Payload)
			}
			if (name == "cloudevents" || name == "slack" || name == "registry") && !json.Valid([]byte(e.Payload)) {
				t.Fatalf("the payload is no JSON: %q", e.Payload)
			}
		}
		if reading.Answer != nil {
			if _, body := reading.Answer(nil); body != nil {
				if _, err := json.Marshal(body); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
