package gateway

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var firstCell = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)$")

// The tables of events in the reference are those of the code.
func TestReferenceListsTheEvents(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		sections[title] = body
	}
	for title, want := range map[string][]string{
		"GitHub":            slices.Sorted(maps.Keys(githubEvents)),
		"GitLab":            slices.Sorted(maps.Keys(gitlabEvents)),
		"Gitea and Forgejo": slices.Sorted(maps.Keys(giteaEvents)),
		"Bitbucket":         slices.Sorted(maps.Keys(bitbucketEvents)),
	} {
		var got []string
		for _, row := range firstCell.FindAllStringSubmatch(sections[title], -1) {
			got = append(got, row[1])
			if title != "Bitbucket" {
				continue
			}
			for _, also := range bitbucketEvents[row[1]].also {
				if !strings.HasPrefix(row[2], " `"+also+"` |") {
					t.Errorf("%s: the row of %s does not say that it is also %s", title, row[1], also)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the reference lists %q, the code %q", title, got, want)
		}
	}
	for _, g := range All(Options{}) {
		for _, route := range g.Routes() {
			if strings.HasPrefix(route, "POST /events/g") && !strings.Contains(string(text), "`"+route+"`") {
				t.Errorf("the reference does not name the route %s", route)
			}
		}
	}
}
