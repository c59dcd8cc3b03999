const assert = require("assert");
const { test, fire, fixture, example } = require("brigade/test");

const push = { ...example("github", "push"), project: { name: "acme/app", secrets: { token: "hush" } } };

test("a push builds, tests and releases", async () => {
  const build = await fire({ ...push, jobs: { build: { outputs: { version: "1.2.3" } }, unit: { delay: 40 }, lint: { delay: 10 } } });
  build.succeeded().ran("build", "unit", "lint", "docs", "release");
  build.order("build", "unit", "release").order("build", "docs", "release").together("unit", "lint", "docs");
  build.logged("released acme/").logged(/^released \S+$/);
  assert.deepStrictEqual(build.steps, [["build"], ["unit", "lint", "docs"], ["release"]]);
  assert.strictEqual(build.job("release").env.VERSION, "1.2.3");
  assert.strictEqual(build.job("release").env.TOKEN, "hush");
  assert.deepStrictEqual(build.job("unit").beside, ["lint", "docs"]);
  assert.deepStrictEqual(build.jobs.map((j) => [j.name, j.started, j.ended]), [
    ["build", 0, 0], ["unit", 0, 40], ["lint", 0, 10], ["docs", 0, 0], ["release", 40, 40],
  ]);
  assert.deepStrictEqual(build.events.map((e) => e.name), ["push", "after"]);
  assert.deepStrictEqual(build.handlers, ["push", "error"]);
});

test("a failed test stops the release", async () => {
  const build = await fire({ ...push, jobs: { unit: { exitCode: 2, delay: 5 } } });
  build.failed("it ended with exit code 2").notRan("release").logged("oh no: job unit(unit-");
  assert.strictEqual(build.exitCode, 1);
  assert.strictEqual(build.job("unit").state, "failed");
  assert.strictEqual(build.failure.code, "build_failed");
});

test("other branches are not released", async () => {
  (await fire({ ...push, revision: { ref: "refs/heads/dev" } })).succeeded().notRan("release");
});

test("payloads are texts, values and files", async () => {
  (await fire({ type: "push", payload: fixture("push.json") })).logged("released from/file");
  (await fire({ type: "push", payload: { repository: { full_name: "from/value" } } })).logged("released from/value");
  (await fire({ type: "push", payload: "{}" })).logged("released nothing");
});

test("strangers get no secrets", async () => {
  const build = await fire({ ...push, untrusted: true });
  assert.strictEqual(build.job("release").env.TOKEN, undefined);
});

test("an event without a handler does nothing", async () => {
  const build = await fire("nothing");
  assert.strictEqual(build.handled, false);
  build.succeeded();
  assert.throws(() => build.ran("build"), /no job ran: the script has no handler for the event \(it has "push", "error"\)/);
});

test.skip("not yet", () => {});
