package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/app"
)

// running is a server in this process.
type running struct {
	t             *testing.T
	url, gateways string
	token         string // file
}

// serveHere starts a server whose jobs do what their DUMMY_ variables say, and
// has the shell work on it.
func (sh *shell) serveHere() *running { return sh.serveWith(func(*app.ServerOptions) {}) }

// serveWith is serveHere with other options.
func (sh *shell) serveWith(change func(o *app.ServerOptions)) *running {
	sh.t.Helper()
	data := filepath.Join(sh.state, "data")
	ctx, cancel := context.WithCancel(context.Background())
	options := app.ServerOptions{
		Options: app.Options{Dirs: app.Dirs{State: data, Cache: filepath.Join(data, "cache"), Home: sh.state}, Runner: "dummy", Grace: time.Second},
		API:     app.Listener{Address: "127.0.0.1:0"}, Gateways: app.Listener{Address: "127.0.0.1:0"},
		Drain: time.Second, Version: "test",
	}
	change(&options)
	server, err := app.NewServer(ctx, options)
	if err != nil {
		sh.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	sh.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			sh.t.Error(err)
		}
		if err := server.Close(); err != nil {
			sh.t.Error(err)
		}
	})
	at := server.Addresses()
	r := &running{t: sh.t, url: "http://" + at["api"], gateways: "http://" + at["gateways"], token: filepath.Join(data, "token")}
	sh.env["BRIGADE_SERVER"], sh.env["BRIGADE_TOKEN_FILE"] = r.url, r.token
	return r
}

// also is a second shell of the same person, to be used at the same time.
func (sh *shell) also() *shell {
	other := *sh
	other.env, other.sig = maps.Clone(sh.env), make(chan os.Signal, 2)
	return &other
}

// ok runs a command that must succeed and returns what it printed.
func (sh *shell) ok(args ...string) string {
	sh.t.Helper()
	out, errs, code := sh.brig(args...)
	if code != 0 {
		sh.t.Fatalf("brig %v: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// refused runs a command that must fail in that way.
func (sh *shell) refused(code int, want string, args ...string) {
	sh.t.Helper()
	out, errs, got := sh.brig(args...)
	if got != code || !strings.Contains(out+errs, want) {
		sh.t.Errorf("brig %v: exit %d, want %d with %q\n%s%s", args, got, code, want, out, errs)
	}
	for _, never := range []string{"goroutine ", "brig_01"} {
		if strings.Contains(out+errs, never) {
			sh.t.Errorf("brig %v printed %q:\n%s%s", args, never, out, errs)
		}
	}
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// until runs a command until it prints want.
func (sh *shell) until(want string, args ...string) string {
	sh.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, errs, _ := sh.brig(args...)
		if strings.Contains(out, want) {
			return out
		}
		if time.Now().After(end) {
			sh.t.Fatalf("brig %v never printed %q\n%s%s", args, want, out, errs)
		}
	}
}

const served = `
const { events, Job } = require("brigadier");
const job = (name, more) => {
  const j = new Job(name, "alpine:3.20", ["true"]);
  j.env = { DUMMY_OUTPUT: name + " line 1\\n" + name + " line 2", ...more };
  return j;
};
events.on("exec", async (e, p) => {
  console.log("payload " + e.payload);
  const first = job("first", { DUMMY_ARTIFACTS: "out/report.txt=all is well" });
  first.artifacts = ["out/report.txt"];
  await first.run();
  await job("second", { DUMMY_EXIT_CODE: e.payload == "fail" ? "3" : "0" }).run();
});
events.on("long", () => Promise.all([job("slow", { DUMMY_SLEEP: "60s" }).run(), job("slower", { DUMMY_SLEEP: "60s" }).run()]));
events.on("simpleevent", () => job("hook").run());
`

func (sh *shell) servedProject() {
	sh.t.Helper()
	sh.file("project.yaml", "kind: Project\nname: acme/app\ngenericGatewaySecret: hook-secret\nsecrets:\n  TOKEN: s3cret-value\nschedules:\n  - name: nightly\n    cron: 0 3 * * *\ndefaultScript: |\n  "+strings.ReplaceAll(served, "\n", "\n  ")+"\n")
	sh.ok("project", "apply", "-f", "project.yaml")
}

func TestServerRunAndLookAtIt(t *testing.T) {
	sh := newShell(t)
	sh.serveHere()
	sh.servedProject()
	if out := sh.ok("project", "apply", "-f", "project.yaml"); out != "acme/app unchanged\n" {
		t.Errorf("apply again: %s", out)
	}
	sh.file("changed.yaml", "kind: Project\nname: acme/app\ngenericGatewaySecret: hook-secret\nsecrets:\n  TOKEN: another-value\n  MORE: {}\n")
	if out := sh.ok("project", "diff", "-f", "changed.yaml"); !strings.Contains(out, "secrets.TOKEN: changed") || !strings.Contains(out, "secrets.MORE: set") ||
		strings.Contains(out, "genericGatewaySecret") || strings.Contains(out, "value") {
		t.Errorf("diff:\n%s", out)
	}
	if out := sh.ok("project", "get", "acme/app"); !strings.Contains(out, "secrets.TOKEN") || strings.Contains(out, "s3cret-value") {
		t.Errorf("project get:\n%s", out)
	}
	sh.refused(2, "never shows secrets", "project", "export", "--with-secrets")

	out, errs, code := sh.brig("run", "acme/app", "-i", "fail")
	lines := strings.Split(out, "\n")
	if code != 1 || !strings.HasPrefix(lines[0], `Event created. Waiting for worker pod named "brigade-worker-`) || !strings.HasPrefix(lines[1], "Build: ") ||
		!strings.Contains(out, "payload fail") || !strings.Contains(out, "first | first line 2") || !strings.Contains(out, "exit code 3") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	id := strings.TrimSuffix(strings.Fields(lines[1])[1], ",")
	if want := "Build: " + id + ", Worker: brigade-worker-" + id; lines[1] != want {
		t.Errorf("second line %q", lines[1])
	}
	if out := sh.ok("build", "list", "acme/app"); !strings.Contains(out, id) || !strings.Contains(out, "Failed") {
		t.Errorf("list:\n%s", out)
	}
	if out := sh.ok("build", "get", id[:20]); !strings.Contains(out, "second") || !strings.Contains(out, "dummy") {
		t.Errorf("get:\n%s", out)
	}
	if out := sh.ok("build", "logs", id, "-j", "first"); out != "first line 1\nfirst line 2\n" {
		t.Errorf("logs of a job: %q", out)
	}
	if out := sh.ok("build", "logs", id, "-f", "--grep", "line 2|^payload"); out != "brigade | payload fail\nfirst | first line 2\nsecond | second line 2\n" {
		t.Errorf("logs followed: %q", out)
	}
	if out := sh.ok("build", "logs", id, "-f", "--tail", "1", "-j", "first"); out != "first line 2\n" {
		t.Errorf("the end of a log: %q", out)
	}
	if out := sh.ok("build", "logs", id, "-j", "--since", "2100-01-01T00:00:00Z"); strings.Contains(out, "line") {
		t.Errorf("logs of the future: %q", out)
	}
	sh.refused(2, "regular expression", "build", "logs", id, "--grep", "(")
	if out, _, code := sh.brig("build", "watch", id); code != 1 || !strings.Contains(out, "second | second line 1") {
		t.Errorf("watch: %d\n%s", code, out)
	}

	out, _, code = sh.brig("build", "rerun", id, "--failed", "-i", "fine", "-o", "json")
	var last struct{ Type, State string }
	for line := range strings.Lines(out) {
		last = decoded[struct{ Type, State string }](t, line)
	}
	if code != 0 || last.Type != "result" || last.State != "succeeded" {
		t.Errorf("rerun: %d %+v\n%s", code, last, out)
	}
	rerun := decoded[[]struct{ ID, RerunOf string }](t, sh.ok("build", "list", "-c", "1", "-o", "json"))[0]
	jobs := decoded[struct {
		Jobs []struct{ Name, Inherited string }
	}](t, sh.ok("build", "get", rerun.ID, "-o", "json")).Jobs
	if rerun.RerunOf != id || len(jobs) != 2 || jobs[0].Inherited != id || jobs[1].Inherited != "" {
		t.Errorf("rerun %+v %+v", rerun, jobs)
	}

	if out := sh.ok("artifact", "list", id); !strings.Contains(out, "out/report.txt") {
		t.Errorf("artifacts:\n%s", out)
	}
	if out := sh.ok("artifact", "get", id, "out/report.txt", "--to", "-"); out != "all is well" {
		t.Errorf("artifact: %q", out)
	}
	sh.ok("artifact", "get", id, "--all", "--to", "got")
	if text, err := os.ReadFile(filepath.Join("got", "first", "out", "report.txt")); err != nil || string(text) != "all is well" {
		t.Errorf("all artifacts: %q %v", text, err)
	}
	sh.refused(4, "nope.txt", "artifact", "get", id, "nope.txt")

	sh.ok("build", "pin", id)
	if out := sh.ok("build", "get", id); !strings.Contains(out, "Pinned") {
		t.Errorf("pinned:\n%s", out)
	}
	sh.ok("build", "unpin", id)
	sh.ok("build", "delete", id)
	sh.refused(4, "there is no build", "build", "get", id)
	if out := sh.ok("schedule", "list"); !strings.Contains(out, "nightly") || !strings.Contains(out, "T03:00:00Z") {
		t.Errorf("schedules:\n%s", out)
	}
	if out := sh.ok("__complete", "build", "get", ""); !strings.Contains(out, rerun.ID) {
		t.Errorf("completion of builds: %s", out)
	}
	if out := sh.ok("__complete", "run", ""); !strings.Contains(out, "acme/app") {
		t.Errorf("completion of projects: %s", out)
	}
}

func TestServerCancel(t *testing.T) {
	sh := newShell(t)
	sh.serveHere()
	sh.servedProject()
	out := sh.ok("event", "create", "acme/app", "-e", "long", "--key", "k")
	id := strings.TrimSuffix(strings.Fields(out)[1], ",")
	if again, _, _ := sh.brig("event", "create", "acme/app", "-e", "long", "--key", "k"); again != out {
		t.Errorf("a repeat: %s", again)
	}
	var followed, logged string
	var code int
	var both sync.WaitGroup
	watcher, logger := sh.also(), sh.also()
	both.Go(func() { followed, _, code = watcher.brig("build", "watch", id) })
	both.Go(func() { logged, _, _ = logger.brig("build", "logs", id, "-f", "-t") })
	sh.until("slower", "build", "get", id)
	sh.until("running", "build", "get", id)
	sh.until(`"running"`, "build", "get", id, "-o", "json")
	sh.refused(4, "it has slow", "build", "cancel", id, "--job", "nope")
	sh.ok("build", "cancel", id, "--job", "slow")
	sh.until("canceled", "build", "get", id)
	sh.refused(5, "has not ended", "build", "rerun", id, "--failed")
	sh.ok("build", "cancel", id, "--reason", "enough of it")
	both.Wait()
	if code != 130 && code != 1 { // the canceled job may have ended the script first
		t.Errorf("watch: exit %d\n%s", code, followed)
	}
	if !strings.Contains(followed, "slow") || strings.Contains(logged, "AFTER") {
		t.Errorf("watched:\n%s\nlogged:\n%s", followed, logged)
	}
	sh.refused(5, "ended", "build", "cancel", id)

	id = strings.TrimSuffix(strings.Fields(sh.ok("event", "create", "acme/app", "-e", "long"))[1], ",")
	viewer := sh.also()
	go func() {
		sh.also().until("slower", "build", "get", id)
		viewer.sig <- os.Interrupt
	}()
	if out, errs, code := viewer.brig("build", "watch", id); code != 130 || !strings.Contains(errs, "goes on") {
		t.Errorf("interrupted: %d\n%s%s", code, out, errs)
	}
	if out := sh.ok("build", "get", id); !strings.Contains(out, "running") {
		t.Errorf("it was ended:\n%s", out)
	}
	sh.ok("build", "delete", id, "--force")
	sh.refused(4, "there is no build", "build", "get", id)
}

func TestServerDeliveriesAndEvents(t *testing.T) {
	sh := newShell(t)
	server := sh.serveHere()
	sh.servedProject()
	for secret, want := range map[string]int{"wrong": 401, "hook-secret": 200} {
		resp, err := http.Post(server.gateways+"/simpleevents/v1/"+"acme%2Fapp/"+secret, "application/json", strings.NewReader(`{"key":"value"}`))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if ok := resp.StatusCode < 300; ok != (want < 300) {
			t.Fatalf("secret %s: %d %s", secret, resp.StatusCode, body)
		}
	}
	refused := sh.until("refused", "gateway", "deliveries", "--outcome", "refused")
	if strings.Contains(refused, "wrong") && strings.Contains(refused, "hook-secret") || strings.Count(refused, "\n") != 2 {
		t.Errorf("refused:\n%s", refused)
	}
	list := decoded[[]struct {
		ID, Outcome string
		Builds      []string
	}](t, sh.ok("gateway", "deliveries", "-o", "json"))
	if len(list) != 2 {
		t.Fatalf("deliveries %+v", list)
	}
	for _, d := range list {
		out, errs, code := sh.brig("gateway", "redeliver", d.ID)
		if d.Outcome == "accepted" && code != 0 || strings.Contains(errs, "goroutine") {
			t.Errorf("redeliver %s: %d\n%s%s", d.Outcome, code, out, errs)
		}
		if out := sh.ok("gateway", "deliveries", d.ID); !strings.Contains(out, "Gateway:") || strings.Contains(out, "hook-secret") {
			t.Errorf("delivery:\n%s", out)
		}
	}
	sh.refused(4, "delivery", "gateway", "redeliver", "01k0000000000000000000000a")
	if out := sh.ok("event", "ls", "acme/app"); !strings.Contains(out, "simpleevent") {
		t.Errorf("events:\n%s", out)
	}
	if out := sh.ok("event", "ls", "--payload", "simpleevent"); !strings.Contains(out, `"key":"value"`) {
		t.Errorf("payload: %q", out)
	}
	sh.refused(4, "no event", "event", "ls", "--payload", "nope")
}

func TestServerTokens(t *testing.T) {
	sh := newShell(t)
	sh.serveHere()
	sh.servedProject()
	made, errs, code := sh.brig("token", "create", "ci", "--scope", "event:create", "--project", "acme/app", "--expires", "1d")
	if code != 0 || strings.Count(made, "\n") != 1 || !strings.HasPrefix(made, "brig_") || strings.Contains(errs, strings.TrimSpace(made)) {
		t.Fatalf("exit %d, %q %q", code, made, errs)
	}
	narrow := sh.also()
	narrow.env["BRIGADE_TOKEN"] = strings.TrimSpace(made)
	delete(narrow.env, "BRIGADE_TOKEN_FILE")
	narrow.ok("event", "create", "acme/app")
	narrow.refused(7, "scope read", "build", "list")
	narrow.refused(7, "lacks the scope", "project", "delete", "acme/app")
	narrow.refused(7, "lacks the scope admin", "token", "list")
	narrow.refused(4, "other", "event", "create", "other")
	sh.file("evil.js", "console.log(1)")
	narrow.refused(7, "scope admin", "run", "acme/app", "-f", "evil.js", "-b")

	reader := sh.also()
	reader.env["BRIGADE_TOKEN"] = strings.TrimSpace(sh.ok("token", "create", "reader", "--scope", "read"))
	delete(reader.env, "BRIGADE_TOKEN_FILE")
	reader.ok("build", "list")
	reader.refused(7, "scope event:create", "event", "create", "acme/app")

	list := decoded[[]struct{ ID, Name, Token string }](t, sh.ok("token", "list", "-o", "json"))
	if len(list) != 3 || list[0].Name != "reader" || list[0].Token != "" {
		t.Errorf("tokens %+v", list)
	}
	sh.ok("token", "revoke", list[0].ID)
	reader.refused(7, "--token-file", "build", "list")
	sh.refused(4, "token", "token", "revoke", list[0].ID)
	if out := sh.ok("audit", "--action", "event.create"); !strings.Contains(out, "ci") || !strings.Contains(out, "acme/app") {
		t.Errorf("audit:\n%s", out)
	}
	if out := sh.ok("audit", "-o", "json", "-c", "1000"); strings.Contains(out, strings.TrimSpace(made)) || strings.Contains(out, "s3cret-value") {
		t.Errorf("audit holds a secret:\n%s", out)
	}
	for want, args := range map[string][]string{
		"what may it do?": {"token", "create", "x"}, "no scope": {"token", "create", "x", "--scope", "root"}, "no duration": {"token", "create", "x", "--scope", "read", "--expires", "soon"},
		"which project": {"run"}, "about this machine": {"run", "acme/app", "--runner", "dummy", "--dry-run"}, "is no time": {"event", "ls", "--since", "x"},
		"one build": {"build", "cancel", "a", "b", "--job", "x"}, "which file": {"artifact", "get", "x"},
	} {
		sh.refused(2, want, args...)
	}
	nobody := sh.also()
	delete(nobody.env, "BRIGADE_TOKEN_FILE")
	nobody.refused(7, "--token-file", "build", "list")
	nobody.refused(2, "there is no token file", "build", "list", "--token-file", "nope")
	nobody.refused(6, "cannot be reached", "build", "list", "--server", "127.0.0.1:1")
	nobody.env["BRIGADE_TOKEN"] = "x"
	nobody.refused(2, "unencrypted", "build", "list", "--server", "http://192.0.2.1")
}

// A server that is started as people do it is found with its token, and takes
// its announcement back when it ends.
func TestServerIsFoundByItsUser(t *testing.T) {
	sh := newShell(t)
	var log lockedBuffer
	server := sh.also()
	done := make(chan int, 1)
	go func() {
		done <- server.brigTo(&log, &log, "server", "--api", "127.0.0.1:0", "--gateways", "127.0.0.1:0", "--runner", "dummy", "--worker", "in-process", "--data", filepath.Join(sh.state, "elsewhere"), "--log-format", "json")
	}()
	servers := filepath.Join(sh.state, "state", "servers")
	var port string
	for end := time.Now().Add(30 * time.Second); port == ""; time.Sleep(10 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(servers, "*.json")); len(found) == 1 {
			port = strings.TrimSuffix(filepath.Base(found[0]), ".json")
		}
		if time.Now().After(end) {
			t.Fatalf("it was not announced\n%s", log.String())
		}
	}
	if out := sh.ok("token", "list", "--server", "localhost:"+port); !strings.Contains(out, "local") {
		t.Errorf("tokens:\n%s", out)
	}
	server.sig <- os.Interrupt
	if code := <-done; code != 0 {
		t.Errorf("exit %d\n%s", code, log.String())
	}
	if left, _ := os.ReadDir(servers); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if strings.Contains(log.String(), "brig_") {
		t.Errorf("a token is in the log:\n%s", log.String())
	}
}

func TestOwnTokenOfAServerThatIsGone(t *testing.T) {
	sh := newShell(t)
	s := sh.shellState(io.Discard, io.Discard)
	sh.file("token", "brig_secret")
	for name, c := range map[string]struct {
		pid  int
		url  string
		want string
	}{
		"runs": {os.Getpid(), "http://127.0.0.1:7777", "brig_secret"}, "gone": {1 << 30, "http://127.0.0.1:7777", ""},
		"other machine": {os.Getpid(), "http://ci.example.org:7777", ""}, "other port": {os.Getpid(), "http://127.0.0.1:7778", ""},
	} {
		path, err := s.announcement("7777")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"pid":%d,"token":%q}`, c.pid, filepath.Join(sh.dir, "token"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := s.ownToken(c.url); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// lockedBuffer is a buffer that may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
