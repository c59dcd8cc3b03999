package main

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
)

// stored puts builds and a project into the shell's store.
func (sh *shell) stored(builds ...*brigade.Build) {
	sh.t.Helper()
	s := sh.shellState(&bytes.Buffer{}, &bytes.Buffer{})
	store, err := s.store()
	if err != nil {
		sh.t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	p := brigade.NewProject("acme/app")
	p.Repository, p.Repo.CloneURL, p.Secrets = "github.com/acme/app", "https://github.com/acme/app.git", map[string]any{"TOKEN": "s3cret-value"}
	if err := store.PutProject(sh.t.Context(), p); err != nil {
		sh.t.Fatal(err)
	}
	for _, b := range builds {
		b.ProjectID, b.Project = p.ID, p.Name
		if _, err := store.CreateBuild(sh.t.Context(), b); err != nil {
			sh.t.Fatal(err)
		}
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func someBuilds() []*brigade.Build {
	event := func(kind, title string) brigade.Event {
		return brigade.Event{Type: kind, Provider: "github", ShortTitle: title, Actor: "kim", Revision: brigade.Revision{Ref: "main", Commit: "abc"}}
	}
	return []*brigade.Build{
		{ID: "01kdz00000000000000000000a", Event: event("push", "Mend it"), State: brigade.StateSucceeded, Created: noon, Started: noon, Ended: noon.Add(90 * time.Second)},
		{ID: "01kdz00000000000000000000b", Event: event("push", "Break it: true"), State: brigade.StateFailed, Created: noon.Add(time.Hour), Started: noon.Add(time.Hour),
			Ended: noon.Add(time.Hour + time.Second), ExitCode: 1, Failure: brigade.Errorf(brigade.CodeBuildFailed, "job test failed\nat line 3")},
		{ID: "01kdz00000000000000000000c", Event: event("release", "v1.0"), State: brigade.StateRunning, Created: noon.Add(2 * time.Hour), Started: noon.Add(2 * time.Hour),
			Lease: brigade.Lease{Owner: "somebody", Expires: noon.Add(3 * time.Hour)}},
	}
}

func TestTablesAndTheirColumns(t *testing.T) {
	sh := newShell(t)
	sh.stored(someBuilds()...)
	sh.now = func() time.Time { return noon.Add(24 * time.Hour) }
	for args, want := range map[string]string{
		"build list": `ID                          TYPE     PROVIDER  PROJECT   STATUS       AGE
01kdz00000000000000000000c  release  github    acme/app  Interrupted  22h
01kdz00000000000000000000b  push     github    acme/app  Failed       23h
01kdz00000000000000000000a  push     github    acme/app  Succeeded    1d
`,
		"build list --columns id,duration,Exit,failure,title,rerun-of,waitsfor --state failed,succeeded": `ID                          DURATION  EXIT  FAILURE          TITLE           RERUN OF  WAITS FOR
01kdz00000000000000000000b      1.0s     1  job test failed  Break it: true
01kdz00000000000000000000a     1m30s     0                   Mend it
`,
		"build list --columns TYPE,AGE,ENDED --time utc -c 2": `TYPE     AGE                   ENDED
release  2026-01-02T14:00:00Z
push     2026-01-02T13:00:00Z  2026-01-02T13:00:01Z
`,
		"build list -o name --state interrupted":               "01kdz00000000000000000000c\n",
		"build list -o name --event push --search BREAK":       "01kdz00000000000000000000b\n",
		"build list -o name --since 2026-01-02T12:30:00Z -c 1": "01kdz00000000000000000000c\n",
		"project list": "NAME      ID                                                              REPO\nacme/app  " + brigade.ProjectID("acme/app") + "  github.com/acme/app\n",
		"project list --columns name,cloneurl,SECRETS,privileged": "NAME      CLONE URL                        SECRETS  PRIVILEGED\nacme/app  https://github.com/acme/app.git        1  yes\n",
		"project list -o name":                         "acme/app\n",
		"secret list acme/app":                         "NAME   KIND\nTOKEN  secret\n",
		"secret list acme/app -o name":                 "TOKEN\n",
		"event ls --since 30d --columns type,COUNT":    "TYPE     COUNT\nrelease      1\npush         2\n",
		"build get 01kdz00000000000000000000c -o name": "01kdz00000000000000000000c\n",
	} {
		if out := sh.ok(strings.Fields(args)...); out != want {
			t.Errorf("brig %s\ngot\n%swant\n%s", args, out, want)
		}
	}
	sh.refused(2, "there are ID, TYPE, PROVIDER", "build", "list", "--columns", "ID,NOPE")
	sh.refused(2, "relative, absolute, utc", "build", "list", "--time", "noon")
	sh.refused(2, "use one of pending", "build", "list", "--state", "broken")
	sh.refused(2, "-o json, -o yaml, -o table, -o name", "build", "list", "-o", "xml")
	sh.refused(2, "-o json", "run", "-o", "yaml")

	for _, output := range []string{"json", "yaml"} {
		out := sh.ok("build", "get", "01kdz00000000000000000000c", "-o", output)
		if !strings.Contains(out, interrupted) || strings.Contains(out, "running") {
			t.Errorf("a build that nobody runs, as %s:\n%s", output, out)
		}
	}
	if out := sh.ok("build", "list", "-o", "yaml", "-c", "1"); !strings.HasPrefix(out, "- id: 01kdz00000000000000000000c\n  projectID: brigade-") {
		t.Errorf("yaml:\n%s", out)
	}
	if out := sh.ok("__complete", "build", "list", "--columns", "ID,STAT"); !strings.Contains(out, "ID,STATUS\n") || strings.Contains(out, "PROJECT") {
		t.Errorf("completion of columns:\n%s", out)
	}
	if out := sh.ok("__complete", "build", "get", ""); !strings.Contains(out, "01kdz00000000000000000000b\tpush acme/app failed") {
		t.Errorf("completion of builds:\n%s", out)
	}
}

func TestYAMLSaysWhatJSONDoes(t *testing.T) {
	value := map[string]any{
		"texts":  []any{"true", "null", "~", "", " x ", "1", "01", "1e3", "0x1f", "2026-01-02", "2026-01-02T12:00:00Z", "a: b", "# c", "x # y", "- d", "a\nb\n", "\n", "'q'", `"`, "\t", "ü\u2028\x7f", "yes", "=", "<<", "&a", "*a", "!x", "%", "@", "`", "{", "[", "|", ">", "?", "...", "---", "\x00", "\u0085\u009f\ufeff\uffff\u00a0", "😀", "<b>&"},
		"others": map[string]any{"n": 1.0, "big": 12345678901234.0, "t": true, "none": nil, "empty": []any{}, "object": map[string]any{}},
	}
	var out bytes.Buffer
	if err := writeYAML(&out, value); err != nil {
		t.Fatal(err)
	}
	var back any
	if err := yaml.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(again, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, any(value)) {
		t.Errorf("it came back as %s from\n%s", again, out.String())
	}
}

// collected is what a command that goes on printed so far.
type collected struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *collected) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *collected) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// await waits until what was printed holds the text n times.
func (c *collected) await(t *testing.T, text string, n int) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); strings.Count(c.String(), text) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is no %q %d times in\n%s", text, n, c)
		}
	}
}

func TestWatchingAList(t *testing.T) {
	for name, prepare := range map[string]func(sh *shell) []string{
		"this machine": func(sh *shell) []string {
			sh.file("brigade.js", served)
			return []string{"run", "--runner", "dummy"}
		},
		"a server": func(sh *shell) []string {
			sh.serveHere()
			sh.servedProject()
			return []string{"run", "acme/app"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sh := newShell(t)
			start := prepare(sh)
			sh.ok(start...)
			out, watcher := &collected{}, sh.also()
			done := make(chan int, 1)
			go func() {
				done <- watcher.brigTo(out, &collected{}, "build", "list", "--watch", "--columns", "TYPE,STATUS,ID")
			}()
			out.await(t, "Succeeded", 1)
			sh.ok(start...)
			out.await(t, "Succeeded", 2)
			watcher.sig <- os.Interrupt
			if code := <-done; code != brigade.ExitCanceled {
				t.Errorf("exit %d", code)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if strings.Count(out.String(), "STATUS") != 1 || !strings.HasPrefix(lines[len(lines)-1], "exec  Succeeded  01") {
				t.Errorf("got\n%s", out)
			}

			out, watcher = &collected{}, sh.also()
			go func() { done <- watcher.brigTo(out, &collected{}, "build", "list", "-w", "-o", "json") }()
			out.await(t, `"succeeded"`, 2)
			watcher.sig <- os.Interrupt
			<-done
			for line := range strings.Lines(out.String()) {
				decoded[brigade.Build](t, line)
			}
		})
	}
}
