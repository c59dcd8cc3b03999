package main

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const rehearsed = `
const { events, Job } = require("brigadier");
events.on("push", async (e, p) => {
  const build = new Job("build", "golang:1.26", ["go build"]);
  const version = (await build.run()).toString().trim();
  console.log("built", version, JSON.parse(e.payload).after);
  if (e.revision.ref !== "main") return;
  const deploy = new Job("deploy", "helm:3.17", ["helm upgrade"]);
  deploy.env = { VERSION: version, TOKEN: p.secrets.TOKEN };
  await deploy.run();
  events.emit("deployed", e, p);
});
events.on("deployed", () => {});
`

func TestTestsOfAScript(t *testing.T) {
	sh := newShell(t)
	sh.refused(3, "brig init", "test")
	sh.file("ci/brigade.js", rehearsed)
	sh.refused(2, "no brigade.test.js", "test", "-f", "ci/brigade.js")
	sh.file("ci/push.json", `{"id":"01x","event":{"type":"push","provider":"github","payload":"{\"after\":\"recorded\"}","revision":{"ref":"main"}}}`)
	sh.file("ci/payload.json", `{"after":"of a file"}`)
	sh.file("ci/brigade.test.js", `
export default [{
  name: "main is deployed",
  event: { type: "push", ref: "main", payload: { after: "abc" } },
  secrets: { TOKEN: "a-token" },
  jobs: { build: { output: "v1.2.3\n" } },
  expect(run, t) {
    t.equal(run.state, "succeeded");
    t.equal(run.ran, ["build", "deploy"]);
    t.equal(run.job("deploy").env, { TOKEN: "a-token", VERSION: "v1.2.3" });
    t.ok(run.before("build", "deploy"));
    t.match(run.log, "built v1.2.3 abc");
  },
}, {
  name: "others are not", event: { type: "push", payloadFile: "payload.json" },
  expect(run, t) { t.equal(run.ran, ["build"]); t.match(run.log, "of a file"); },
}, {
  name: "a recording", recording: "push.json", jobs: { "*": { output: "any\\n\"quoted\"" } },
  expect(run, t) { t.match(run.log, "recorded"); t.match(run.log, 'any\\\\n"quoted"'); },
}, {
  name: "a broken build", event: { type: "push", payload: "{}" }, jobs: { build: { exitCode: 2 } }, state: "failed",
}, { name: "later", event: { type: "push" }, skip: true }];
`)
	out := sh.ok("test", "-f", "ci/brigade.js")
	if strings.Count(out, "ok  ") != 4 || !strings.Contains(out, "skip  later") || !strings.Contains(out, "5 tests, 0 failed") {
		t.Errorf("got\n%s", out)
	}
	if out := sh.ok("test", "-f", "ci/brigade.js", "--only", "^main", "-v"); !strings.Contains(out, "| built v1.2.3 abc") || !strings.Contains(out, "1 test,") {
		t.Errorf("one of them:\n%s", out)
	}
	if list, _, _ := sh.brig("build", "list", "-o", "name"); list != "" {
		t.Errorf("tests were kept as builds: %s", list)
	}

	sh.file("ci/wrong.test.ts", `
export const image = { name: "image", event: { type: "push", payload: {} }, expect(run: any, t: any) { t.equal(run.job("build").image, "node:22", "its image"); } };
export const missing = { name: "missing", event: { type: "push", payload: {} }, expect: (run: any) => run.job("nope") };
export const fails = { name: "fails", event: { type: "push" } };
`)
	out, _, code := sh.brig("test", "-f", "ci/brigade.js", "ci/wrong.test.ts")
	for _, want := range []string{"FAIL  image", "at ci/wrong.test.ts:2:", `its image: got "golang:1.26", want "node:22"`, "no job nope ran; there were: build", "the build is failed, not succeeded", "3 tests, 3 failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	results := decoded[[]testResult](t, sh.ok("test", "-f", "ci/brigade.js", "ci/brigade.test.js", "-o", "json"))
	if len(results) != 5 || results[0].Result != "passed" || results[0].Name != "main is deployed" {
		t.Errorf("as JSON: %+v", results)
	}
	for want, text := range map[string]string{
		"has evnt, but there is only": `export default [{ evnt: { type: "push" } }]`,
		"has no type":                 `export default [{ name: "x", event: {} }]`,
		"does not load":               `export default [{ name: "x"`,
		"a test is an object":         `export default ["x"]`,
		"has no tests":                `require("assert");`,
	} {
		sh.file("ci/bad.test.mjs", text)
		if out, errs, code := sh.brig("test", "-f", "ci/brigade.js", "ci/bad.test.mjs"); code != 3 || !strings.Contains(out, want) || !strings.Contains(out, "1 test, 1 failed") {
			t.Errorf("%s: exit %d, no %q in\n%s%s", text, code, want, out, errs)
		}
	}
	sh.file("other/file", "")
	sh.refused(2, "not below", "test", "-f", "ci/brigade.js", "--source", "other")
}

func TestLint(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", rehearsed)
	sh.file("push.json", `{"after":"abc"}`)
	if out := sh.ok("lint", "--strict"); out != "Nothing was found.\n" {
		t.Errorf("a good script:\n%s", out)
	}
	sh.file("bad.js", `
const { events, Job } = require("brigadier");
events.on("pull_requst", () => {});
events.on("acme", async (e) => { await new Job("Bad X", "", ["true"]).run(); });
events.on("push", async (e) => {
  if (!JSON.parse(e.payload).after) throw new Error("no after");
  new Job("lost", "alpine", ["true"]).run().catch(() => {});
  const may = new Job("may", "alpine:3.20", ["true"]);
  may.fallible = true;
  await may.run();
});
`)
	out, _, code := sh.brig("lint", "-f", "bad.js")
	for _, want := range []string{
		`warning  bad.js:3:11  unknown-event    no gateway sends an event "pull_requst"; did you mean "pull_request"?`, `note     bad.js:4:11  unknown-event`,
		"error    bad.js:4:48  job-name ", "warning  bad.js:7:3   failure-dropped ", `warning  bad.js:7:19  image-tag        image "alpine" has no tag`,
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, out)
		}
	}
	sh.file("fair.js", `
const { events, Job } = require("brigadier");
const image = (name) => name + ":latest";
events.on("push", async (e) => {
  if (!JSON.parse(e.payload).special) throw new Error("not special");
  const lost = new Job("lost", image("alpine"), ["true"]);
  try { await lost.run(); } catch (e) { lost.failed = true; }
});
`)
	if out, _, code := sh.brig("lint", "-f", "fair.js", "--strict"); code != 0 || !strings.Contains(out, "note   push   handler-fails  Error: not special; with an example as payload; give one with --payload push=FILE") {
		t.Errorf("exit %d\n%s", code, out)
	}
	sh.file("push.json", `{"special":true}`)
	out, _, code = sh.brig("lint", "-f", "fair.js", "--payload", "push=push.json", "--strict", "--columns", "LEVEL,WHERE,MESSAGE")
	if code != 1 || !strings.Contains(out, `warning  push, job lost  its image "alpine:latest" is another one tomorrow`) || !strings.Contains(out, "warning  push, job lost  nobody sees it when it fails") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if _, _, code = sh.brig("lint", "-f", "fair.js", "--payload", "push=push.json"); code != 0 {
		t.Errorf("warnings only: exit %d", code)
	}
	sh.file("broken.js", "events.on('x'")
	if out, _, code := sh.brig("lint", "-f", "broken.js"); code != 1 || !strings.Contains(out, "error  broken.js:1:14  load") {
		t.Errorf("exit %d\n%s", code, out)
	}
	sh.file("none.ts", "export {};")
	if found := decoded[[]map[string]any](t, sh.ok("lint", "-f", "none.ts", "-o", "json")); len(found) != 1 || found[0]["code"] != "no-handler" || found[0]["level"] != "warning" {
		t.Errorf("no handlers: %v", found)
	}
	sh.refused(2, "names no event", "lint", "--payload", "push.json")
	sh.refused(2, "no script file", "lint", "-f", "nope.js")
}

// printed is output that is looked at while more is written.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// until waits for that many of a text.
func (p *printed) until(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		got := p.text.String()
		p.mu.Unlock()
		if strings.Count(got, text) >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %d times %q in\n%s", n, text, got)
		}
	}
}

func TestTestsAreRunAgain(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", rehearsed)
	sh.file("brigade.test.js", `const { test } = require("brigade/test"); test("one", () => {});`)
	out, errs, ended := &printed{}, &printed{}, make(chan int, 1)
	go func() { ended <- sh.brigTo(out, errs, "test", "--watch") }()
	out.until(t, "ok    one", 1)
	errs.until(t, "Waiting for changes", 1)
	sh.file("brigade.test.js", `const { test } = require("brigade/test"); test("another", () => { throw new Error("no"); });`)
	out.until(t, "FAIL  another", 1)
	errs.until(t, "Waiting for changes", 2)
	sh.file("brigade.test.js", `const { test } = require(`)
	out.until(t, "does not load", 1)
	errs.until(t, "Waiting for changes", 3)
	sh.sig <- os.Interrupt
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it does not end")
	}
}

func TestTemplatesHoldTheirTests(t *testing.T) {
	for _, template := range []string{"ci", "release"} {
		for _, language := range []string{"--js", "--ts"} {
			sh := newShell(t)
			sh.ok("init", "--template", template, language)
			if out := sh.ok("test"); !strings.Contains(out, ", 0 failed") {
				t.Errorf("%s %s:\n%s", template, language, out)
			}
			if out := sh.ok("lint", "--strict"); out != "Nothing was found.\n" {
				t.Errorf("%s %s:\n%s", template, language, out)
			}
		}
	}
	sh := newShell(t)
	sh.ok("init")
	if types, err := os.ReadFile(".brigade/types/node.d.ts"); err != nil || !strings.Contains(string(types), "declare module \"brigade/test\" {\n/**\n") {
		t.Errorf("the types of tests are not written: %v", err)
	}
	sh.refused(2, "hello, ci, release", "init", "--template", "nope")
}
