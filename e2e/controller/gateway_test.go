package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// gateways serves all gateways of the site until the test ends.
func (s *site) gateways() (address string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, err := app.NewGateways(ctx, app.GatewayOptions{
		Kube:  cluster.Options{Kubeconfig: s.c.Kubeconfig(), Namespace: s.ns},
		Serve: []app.GatewayListener{{Kind: app.GatewaysAll, Listener: app.Listener{Address: "127.0.0.1:0"}}, {Kind: app.GatewaysGeneric, Listener: app.Listener{Address: "127.0.0.1:0"}}},
		Drain: time.Minute, Log: slog.New(slog.NewTextHandler(testLog{s.t}, nil)),
	})
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- g.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			s.t.Error(err)
		}
		if err := g.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return g.Addresses()[app.GatewaysAll]
}

// post sends a body and returns the answer's status and text.
func (s *site) post(address, path, body string, header map[string]string) (int, map[string]any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for key, value := range header {
		req.Header.Set(key, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer
}

// An event is a Secret before it is answered, one that is too large for that
// is refused, and one that is sent to two gateways at once is one build.
func TestGatewaysStoreBeforeTheyAnswer(t *testing.T) {
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{}, oneJob)
	s.project(map[string]string{"genericGatewaySecret": "hush", "defaultScript": oneJob})
	one, two := s.gateways(), s.gateways()
	path := "/simpleevents/v1/" + s.p.ID + "/hush"
	if status, answer := s.post(one, path, `{"ref":"main"}`, nil); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	list := func() []string {
		return strings.Fields(s.kubectl("get", "secrets", "-l", "component=build", "-o", "jsonpath={.items[*].metadata.name}"))
	}
	if got := list(); len(got) != 1 {
		t.Fatalf("builds: %v", got)
	}
	if status, answer := s.post(one, "/simpleevents/v1/"+s.p.ID+"/wrong", "{}", nil); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d %v", status, answer)
	}
	if status, answer := s.post(one, path, `{"x":"`+strings.Repeat("x", 2<<20)+`"}`, nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large one: %d %v", status, answer)
	}
	cloud := `{"specversion":"1.0","id":"same","source":"here","type":"thing"}`
	var all sync.WaitGroup
	for _, address := range []string{one, two, one, two} {
		all.Go(func() {
			if status, answer := s.post(address, "/cloudevents/"+s.p.ID+"/hush", cloud, map[string]string{"Content-Type": "application/cloudevents+json"}); status >= 300 {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	all.Wait()
	if got := list(); len(got) != 2 {
		t.Errorf("builds: %v", got)
	}
}

// A gateway is ready while it can keep what it is sent.
func TestGatewaysAreReadyWithAnAPIServer(t *testing.T) {
	c := testcluster.Start(t, testcluster.Options{})
	s := newSite(t, c, testcluster.FakeNodeOptions{}, oneJob)
	address := s.gateways()
	answers := func(path string, want int) {
		t.Helper()
		testcluster.Until(t, fmt.Sprintf("%s answers %d", path, want), func() error {
			resp, err := http.Get("http://" + address + path)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != want {
				return errors.New(resp.Status)
			}
			return nil
		})
	}
	answers("/readyz", http.StatusOK)
	if err := c.StopAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers("/readyz", http.StatusServiceUnavailable)
	answers("/healthz", http.StatusOK)
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers("/readyz", http.StatusOK)
}
