package gateway_test

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
)

func imagePush(t *testing.T, commit string, header http.Header) brigade.Reading {
	t.Helper()
	gw := gateway.NewRegistry()
	reading, err := gw.Read(brigade.Inbound{
		Route: gw.Routes()[2], Header: header, Query: url.Values{"commit": {commit}},
		Path: func(name string) string { return map[string]string{"project": "acme"}[name] },
		Body: []byte(`{"push_data":{"tag":"v1"},"repository":{"repo_name":"acme/app"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return reading
}

func TestRegistryWithoutToken(t *testing.T) {
	reading := imagePush(t, "main", http.Header{})
	if err := reading.Verify(brigade.NewProject("acme")); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a project that does not say so is open: %v", err)
	}
	open := brigade.NewProject("acme")
	open.Registry.Unauthenticated = true
	if err := reading.Verify(open); err != nil {
		t.Errorf("an open project refuses: %v", err)
	}
	open.Registry.Token = "t0ken"
	if err := reading.Verify(open); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a token goes unchecked because the project is called open: %v", err)
	}
}

// Who only knows the URL must not run what a stranger put into the repository
// with the project's secrets.
func TestRegistryTrustsOnlyBranchesAndTags(t *testing.T) {
	hash := strings.Repeat("a1", 20)
	for ref, trusted := range map[string]bool{
		"": true, "main": true, "v1.2": true, "refs/heads/feature/x": true, "refs/tags/v1": true,
		"refs/pull/5/head": false, "pull/5/head": false, "heads/main": false, "feature/x": false,
		hash: false, hash[:7]: false, strings.ToUpper(hash): false,
	} {
		open := brigade.NewProject("acme")
		open.Registry.Unauthenticated = true
		closed := brigade.NewProject("acme")
		closed.Registry.Token = "t0ken"
		reading := imagePush(t, ref, http.Header{})
		if !reading.Events[0].Untrusted {
			t.Errorf("%q is trusted before the project was asked", ref)
		}
		for p, want := range map[*brigade.Project]bool{open: trusted, closed: true} {
			events, err := reading.Complete(context.Background(), p, reading.Events)
			if err != nil || len(events) != 1 {
				t.Fatal(events, err)
			}
			if events[0].Untrusted == want {
				t.Errorf("%q of a project with the token %q: trusted is %v", ref, p.Registry.Token, !want)
			}
		}
	}
}

// A list of millions of entries in 25 MB is refused before it takes a
// gigabyte: the request is from nobody knows whom yet.
func TestLongListsAreRefusedEarly(t *testing.T) {
	entries := strings.Repeat("{},", 4<<20)
	for name, c := range map[string]struct {
		gateway brigade.Gateway
		body    string
	}{
		"cloudevents":  {gateway.NewCloudEvents(), "[" + entries + "{}]"},
		"grid":         {gateway.NewRegistry(), "[" + entries + "{}]"},
		"distribution": {gateway.NewRegistry(), `{"events":[` + entries + "{}]}"},
		"harbor":       {gateway.NewRegistry(), `{"event_data":{"resources":[` + entries + "{}]}}"},
	} {
		var before, after runtime.MemStats
		in := brigade.Inbound{
			Route: c.gateway.Routes()[0], Header: http.Header{}, Body: []byte(c.body),
			Path: func(string) string { return "acme" },
		}
		runtime.ReadMemStats(&before)
		_, err := c.gateway.Read(in)
		runtime.ReadMemStats(&after)
		if brigade.CodeOf(err) != brigade.CodeTooLarge {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 10*uint64(len(c.body)) {
			t.Errorf("%s: %d bytes were allocated for a body of %d", name, used, len(c.body))
		}
	}
}
