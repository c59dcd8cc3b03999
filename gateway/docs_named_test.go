package gateway_test

import (
	"os"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/gateway"
)

// The guide shows the smallest gateway as it is.
func TestGuideShowsTheWebhook(t *testing.T) {
	const file = "../docs/guide/add-a-gateway.md"
	guide, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("webhook.go")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "```go\npackage gateway\n", "\n```\n"
	before, rest, found := strings.Cut(string(guide), begin)
	shown, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s shows no gateway", file)
	}
	want := strings.TrimPrefix(strings.TrimSuffix(string(code), "\n"), "package gateway\n")
	if shown == want {
		return
	}
	if !*update {
		t.Fatalf("%s shows another webhook.go: run go test ./gateway -update", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The reference names every route of every gateway.
func TestReferenceNamesEveryRoute(t *testing.T) {
	reference, err := os.ReadFile("../docs/reference/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, gw := range gateway.All(gateway.Options{}) {
		for _, route := range gw.Routes() {
			if strings.HasPrefix(route, "OPTIONS ") {
				route = "POST " + strings.TrimPrefix(route, "OPTIONS ")
			}
			if !strings.Contains(string(reference), "`"+route+"`") {
				t.Errorf("docs/reference/gateways.md does not name %s", route)
			}
		}
	}
}
