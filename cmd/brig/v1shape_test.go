package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

// v1Build is what a program reads from v1's brig build get -o json.
type v1Build struct {
	ID        string `json:"id"`
	ProjectID string `json:"project_id"`
	Type      string `json:"type"`
	Provider  string `json:"provider"`
	Revision  struct {
		Commit *string `json:"commit"`
		Ref    *string `json:"ref"`
	} `json:"revision"`
	Payload []byte `json:"payload"`
	Worker  *struct {
		ID       string `json:"id"`
		BuildID  string `json:"build_id"`
		ExitCode int    `json:"exit_code"`
		Status   string `json:"status"`
	} `json:"worker"`
}

// What programs around v1's brig read is there.
func TestV1MembersOfJSON(t *testing.T) {
	sh := newShell(t)
	builds := someBuilds()
	waits := &brigade.Build{ID: "01kdz00000000000000000000d", State: brigade.StatePending, Created: noon, Event: brigade.Event{Type: "push", Payload: "{\"a\": 1}"}}
	gone := &brigade.Build{ID: "01kdz00000000000000000000e", State: brigade.StateCanceled, Created: noon, Started: noon, Ended: noon, ExitCode: 130, Event: brigade.Event{Type: "push"}}
	sh.stored(append(builds, waits, gone)...)

	list := decoded[[]v1Build](t, sh.ok("build", "list", "-o", "json"))
	var got []string
	for _, b := range list {
		status := "null"
		if b.Worker != nil {
			status = fmt.Sprintf("%s %d %t", b.Worker.Status, b.Worker.ExitCode, b.Worker.ID == "brigade-worker-"+b.ID && b.Worker.BuildID == b.ID)
		}
		got = append(got, b.ID[25:]+" "+b.Type+" "+status)
	}
	// Nobody runs build c any more, which v1 does not know.
	want := "e push Failed 130 true, d push null, c release Unknown 0 true, b push Failed 1 true, a push Succeeded 0 true"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	for args, payload := range map[string]string{"build get " + waits.ID + " -o json": "{\"a\": 1}", "build get " + gone.ID + " -o json": ""} {
		b := decoded[v1Build](t, sh.ok(strings.Fields(args)...))
		if b.ProjectID != brigade.ProjectID("acme/app") || string(b.Payload) != payload || b.Revision.Commit == nil || b.Revision.Ref == nil {
			t.Errorf("brig %s: %+v", args, b)
		}
	}
	for _, args := range []string{"project list -o json", "project get acme/app -o json"} {
		var p struct {
			Repo struct{ Name, CloneURL string }
		}
		text := strings.Trim(strings.TrimSpace(sh.ok(strings.Fields(args)...)), "[]")
		if err := json.Unmarshal([]byte(text), &p); err != nil || p.Repo.Name != "github.com/acme/app" || p.Repo.CloneURL == "" {
			t.Errorf("brig %s: %v, %+v", args, err, p)
		}
	}
}

// A list that a program reads is whole, as v1's was; people get a screenful.
func TestListsOfManyBuilds(t *testing.T) {
	sh := newShell(t)
	var many []*brigade.Build
	for i := range buildsPage + 30 {
		state := brigade.StateSucceeded
		if i == 7 {
			state = brigade.StateFailed
		}
		many = append(many, &brigade.Build{ID: fmt.Sprintf("01kdz0000000000000000%05d", i), State: state, Created: noon, Event: brigade.Event{Type: "push"}})
	}
	sh.stored(many...)
	lines := func(out string) int { return strings.Count(out, "\n") }
	for args, want := range map[string]int{
		"build list -o name":                     buildsPage + 30,
		"build list -o name -c 0":                buildsPage + 30,
		"build list -o name -c 510":              510,
		"build list -o name -c 3":                3,
		"build list -o name -c 3 --state failed": 1,
	} {
		if out := sh.ok(strings.Fields(args)...); lines(out) != want {
			t.Errorf("brig %s: %d lines, want %d", args, lines(out), want)
		}
	}
	sh.refused(2, "--count cannot be -1", "build", "list", "-c", "-1")
	sh.refused(4, "did you mean acme/app", "build", "list", "acme/ap")
	var out, errs strings.Builder
	s := sh.shellState(&out, &errs)
	s.Args, s.Terminal = []string{"build", "list", "-o", "name"}, func() (int, int, bool) { return 80, 24, true }
	if code := Main(s); code != 0 || lines(out.String()) != screenful {
		t.Errorf("in a terminal: exit %d, %d lines", code, lines(out.String()))
	}
}

func TestProjectDeleteKeepsACopy(t *testing.T) {
	sh := newShell(t)
	sh.stored()
	if out := sh.ok("project", "delete", "acme/app", "-D"); out != "Would delete acme/app\n" {
		t.Errorf("a dry run: %q", out)
	}
	sh.refused(2, "cannot be written", "project", "delete", "acme/app", "-o", "no/where/copy.json")
	sh.ok("project", "delete", "acme/app", "-o", "copy.json")
	sh.refused(4, "acme/app", "project", "get", "acme/app")
	sh.ok("project", "create", "-x", "-f", "copy.json")
	if out := sh.ok("secret", "list", "acme/app", "-o", "name"); out != "TOKEN\n" {
		t.Errorf("the copy has the secrets %q", out)
	}
}
