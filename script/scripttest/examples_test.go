package scripttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write what came out as what is expected")

// The examples are what the gateways make of the requests they are tested with.
func TestExamplesAreTheGatewaysOwn(t *testing.T) {
	files, err := filepath.Glob("../../gateway/testdata/*/*.golden")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	slices.SortStableFunc(files, func(a, b string) int { // those with short names are the usual ones
		if d := strings.Compare(filepath.Dir(a), filepath.Dir(b)); d != 0 {
			return d
		}
		return len(a) - len(b)
	})
	seen := map[[2]string]bool{}
	list := []brigade.Event{}
	// Trusted ones first; a type that only strangers send is better than none.
	for i, file := range slices.Concat(files, files) {
		second := i >= len(files)
		if strings.HasPrefix(filepath.Base(file), "bad-") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden struct{ Events []brigade.Event }
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		body := bodyOf(t, strings.TrimSuffix(file, ".golden"))
		for _, e := range golden.Events {
			key := [2]string{e.Provider, e.Type}
			if seen[key] || e.Untrusted && !second || len(body) > 8000 {
				continue
			}
			seen[key] = true
			e.Payload = withBody(t, e.Payload, body)
			list = append(list, brigade.Event{Provider: e.Provider, Type: e.Type, Also: e.Also, Revision: e.Revision, Payload: e.Payload})
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteString("[\n")
	for i, e := range list {
		if i > 0 {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString("]\n")
	if *update {
		if err := os.WriteFile("examples.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), examplesText) {
		t.Error("examples.json is not current: go test ./script/scripttest -run Examples -update")
	}
	for _, want := range [][2]string{{"github", "push"}, {"github", "pull_request:opened"}, {"gitlab", "merge_request"}, {"gitea", "push"}, {"bitbucket", "repo:push"}, {"github", "issue_comment"}, {"dockerhub", "image_push"}, {"GenericWebhook", "cloudevent"}, {"GenericWebhook", "simpleevent"}} {
		if !seen[want] {
			t.Errorf("there is no example of %v", want)
		}
	}
}

// bodyOf is the body of the request that a golden file is about.
func bodyOf(t *testing.T, file string) []byte {
	t.Helper()
	if body, err := os.ReadFile(file + ".json"); err == nil {
		return body
	}
	request, err := os.ReadFile(file + ".http")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(bytes.ReplaceAll(request, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	return bytes.TrimSuffix(body, []byte("\n"))
}

// withBody puts the request's body back in its place, compact.
func withBody(t *testing.T, payload string, body []byte) string {
	t.Helper()
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil {
		compact.Reset()
		compact.Write(body)
	}
	if payload == "(the body)" {
		return compact.String()
	}
	return strings.Replace(payload, `"(the body)"`, compact.String(), 1)
}
