package script

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// TestTypesNameEverything compares the declarations with what is there: what
// brigadier exports, the fields of a job, of an event and of a project.
func TestTypesNameEverything(t *testing.T) {
	host := &fakeHost{}
	run := benchRun("brigade.js", `
		const b = require("brigadier");
		const names = (o) => Object.keys(o).concat(Object.getOwnPropertyNames(Object.getPrototypeOf(o)));
		b.events.on("exec", async (e, p) => {
			const list = [...Object.keys(b), ...names(new b.Job("a")), ...names(new b.Group()), ...Object.keys(e), ...Object.keys(p),
				...Object.keys(p.repo), ...Object.keys(p.kubernetes), ...Object.keys(new b.ErrorReport()), ...names(await new b.Job("a", "i").run()),
				...Object.getOwnPropertyNames(Object.getPrototypeOf(b.events)), "prependListener", "once", "removeAllListeners"];
			console.log(JSON.stringify(list));
		});`)
	host.build = run.Build
	if r, err := New(Options{}).RunScript(t.Context(), run, host); err != nil || r.ExitCode != 0 {
		t.Fatal(r, err)
	}
	var names []string
	for _, line := range host.lines {
		if _, text, found := strings.Cut(line, "["); found {
			if err := json.Unmarshal([]byte("["+text), &names); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(names) < 60 {
		t.Fatalf("only %d names: %v", len(names), host.lines)
	}
	for _, name := range names {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(Types) {
			t.Errorf("the declarations do not name %s", name)
		}
	}
}

// TestAScriptThatIsStuckIsGivenUp runs a function of the engine that cannot be
// interrupted, here one of a module.
func TestAScriptThatIsStuckIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a script may take to stop")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	block := modules.Module{
		Names: []string{"block"}, Source: "exports.forever = native.forever",
		Native: func(*modules.Env) map[string]any {
			return map[string]any{"forever": func() { close(entered); <-release }}
		},
	}
	told := make(chan struct{})
	w := New(Options{Modules: []modules.Module{block}, Stuck: func() { close(told) }})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	_, err := w.RunScript(ctx, benchRun("brigade.js", `require("block").forever()`), quietHost{})
	if !errors.Is(err, &brigade.Error{Code: brigade.CodeCanceled}) {
		t.Errorf("got %v", err)
	}
	select {
	case <-told:
	default:
		t.Error("Stuck was not called")
	}
}

// TestACallThatNeverEndsIsGivenUp lets a script be inside a single call for
// longer than it may compute, as a regular expression that backtracks for years
// is: being interrupted does not end that.
func TestACallThatNeverEndsIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a script may take to stop")
	}
	told := make(chan struct{})
	block := modules.Module{
		Names: []string{"block"}, Source: "exports.forever = native.forever",
		Native: func(*modules.Env) map[string]any { return map[string]any{"forever": func() { <-told }} },
	}
	w := New(Options{Modules: []modules.Module{block}, Stuck: func() { close(told) }})
	run := benchRun("brigade.js", `require("block").forever()`)
	run.Limits.Turn = time.Second
	_, err := w.RunScript(t.Context(), run, quietHost{})
	if !errors.Is(err, &brigade.Error{Code: brigade.CodeScriptLimit}) {
		t.Errorf("got %v", err)
	}
	select {
	case <-told:
	default:
		t.Error("Stuck was not called")
	}
}

// TestChecksGoToGitHub lets a notification of brigade-utils reach a server.
func TestChecksGoToGitHub(t *testing.T) {
	type request struct {
		path, auth string
		body       map[string]any
	}
	var got []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		req := request{path: r.URL.Path, auth: r.Header.Get("Authorization")}
		_ = json.Unmarshal(data, &req.body)
		got = append(got, req)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	run := benchRun("brigade.js", `
		const { events, Job } = require("brigadier");
		const { Check } = require("@brigadecore/brigade-utils");
		events.on("pull_request", (e, p) => new Check(e, p, new Job("unit", "img", ["print "+"x".repeat(70000)]), "https://ci.example.com").run());`)
	run.Project.GitHub.BaseURL = server.URL
	run.Build.Event.Type = "pull_request"
	run.Build.Event.Payload = `{"type":"pull_request","token":"t0ken","body":{"repository":{"full_name":"acme/app"},"pull_request":{"head":{"sha":"c0ffee","ref":"topic"}}}}`
	host := &fakeHost{build: run.Build}
	r, err := New(Options{HTTP: server.Client()}).RunScript(t.Context(), run, host)
	if err != nil || r.ExitCode != 0 {
		t.Fatal(r.Failure, err)
	}
	if len(got) != 2 {
		t.Fatalf("%d requests; %v", len(got), host.lines)
	}
	for i, status := range []string{"in_progress", "completed"} {
		if got[i].path != "/repos/acme/app/check-runs" || got[i].auth != "token t0ken" || got[i].body["head_sha"] != "c0ffee" || got[i].body["status"] != status {
			t.Errorf("request %d: %+v", i, got[i])
		}
	}
	text := got[1].body["output"].(map[string]any)["text"].(string)
	if len(text) != 65535 || !strings.HasPrefix(text, "(Previous text omitted)") {
		t.Errorf("the text has %d characters and begins with %.40s", len(text), text)
	}
	for _, line := range host.lines {
		if strings.Contains(line, "t0ken") {
			t.Errorf("the token is in the log: %s", line)
		}
	}
}

func TestTooBigAndTooDeepScripts(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		code   brigade.Code
	}{
		"big":    {strings.Repeat("//\n", brigade.MaxScriptBytes/3+1), brigade.CodeScriptLimit},
		"nested": {strings.Repeat("(", 1_000_000), brigade.CodeScriptLoad},
	} {
		r, err := New(Options{}).RunScript(t.Context(), benchRun("brigade.js", c.source), quietHost{})
		if err != nil || r.Failure == nil || r.Failure.Code != c.code || r.ExitCode == 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestEventsWithoutTheNodeLayer runs the emitter's case on the emitter that
// brigadier brings along, with the same outcome.
func TestEventsWithoutTheNodeLayer(t *testing.T) {
	console := modules.Module{
		Names:   []string{"console"},
		Source:  `exports.log = (...a) => native.print(a.map(String).join(" "))`,
		Globals: map[string]string{"console": ""},
		Native: func(env *modules.Env) map[string]any {
			return map[string]any{"print": func(text string) { env.Console("log", text) }}
		},
	}
	source, err := os.ReadFile("testdata/emitter.js")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/emitter.js.txt")
	if err != nil {
		t.Fatal(err)
	}
	run := benchRun("emitter.js", string(source))
	host := &fakeHost{build: run.Build}
	result, err := New(Options{Modules: []modules.Module{console}}).RunScript(t.Context(), run, host)
	if got := host.transcript(result, err, ""); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
