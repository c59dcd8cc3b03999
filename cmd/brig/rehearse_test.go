package main

import (
	"strings"
	"testing"
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
	for _, want := range []string{`its image: got "golang:1.26", want "node:22"`, "no job nope ran; there were: build", "the build is failed, not succeeded", "3 tests, 3 failed"} {
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
		`unknown field "evnt"`:     `export default [{ evnt: { type: "push" } }]`,
		"has no type":              `export default [{ name: "x", event: {} }]`,
		"cannot be read":           `export default [{ name: "x"`,
		"a test is an object":      `export default ["x"]`,
		"holds no event":           `export default [{ name: "x", recording: "payload.json" }]`,
		"the recording of":         `export default [{ name: "x", recording: "nope.json" }]`,
		"there is no payload file": `export default [{ name: "x", event: { type: "push", payloadFile: "nope.json" } }]`,
	} {
		sh.file("ci/bad.test.mjs", text)
		out, errs, code := sh.brig("test", "-f", "ci/brigade.js", "ci/bad.test.mjs")
		if code != 2 && code != 3 || !strings.Contains(errs, want) {
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
events.on("acme", async (e) => { await new Job("x", "", ["true"]).run(); });
events.on("push", async (e) => {
  if (!JSON.parse(e.payload).after) throw new Error("no after");
  new Job("lost", "alpine", ["true"]).run().catch(() => {});
  const may = new Job("may", "alpine:3.20", ["true"]);
  may.fallible = true;
  await may.run();
});
`)
	out, _, code := sh.brig("lint", "-f", "bad.js")
	for _, want := range []string{"warning  pull_requst", "did you mean pull_request?", "note     acme", "no after; with an empty payload; give one with --payload push=FILE", "error    acme         x    it has no image"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, out)
		}
	}
	out, _, code = sh.brig("lint", "-f", "bad.js", "--payload", "push=push.json", "--strict", "--columns", "LEVEL,JOB,MESSAGE")
	if code != 1 || !strings.Contains(out, "warning  lost  its image alpine is another one tomorrow") || !strings.Contains(out, "warning  lost  nobody sees it when it fails") || strings.Contains(out, "may ") {
		t.Errorf("exit %d\n%s", code, out)
	}
	sh.file("broken.js", "events.on('x'")
	if out, _, code := sh.brig("lint", "-f", "broken.js"); code != 1 || !strings.Contains(out, "does not load: broken.js:1") {
		t.Errorf("exit %d\n%s", code, out)
	}
	sh.file("none.ts", "export {};")
	if out := sh.ok("lint", "-f", "none.ts", "-o", "json"); !strings.Contains(out, "no handler for any event") {
		t.Errorf("no handlers:\n%s", out)
	}
	sh.refused(2, "names no event", "lint", "--payload", "push.json")
	sh.refused(2, "no script file", "lint", "-f", "nope.js")
	for image, moving := range map[string]bool{"alpine": true, "alpine:3.20": false, "alpine:latest": true, "reg:5000/a/b": true, "reg:5000/a/b:1": false, "a@sha256:00": false} {
		if movingImage(image) != moving {
			t.Errorf("%s", image)
		}
	}
	if base := baseImage("reg:5000/a/b:latest"); base != "reg:5000/a/b" {
		t.Errorf("base %s", base)
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
	newShell(t).refused(2, "hello, ci, release", "init", "--template", "nope")
}
