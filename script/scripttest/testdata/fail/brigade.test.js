const assert = require("assert");
const { test, fire, example, fixture } = require("brigade/test");

test("another value", async () => {
  const build = await fire({ ...example("github", "push") });
  console.log("what it printed");
  assert.deepStrictEqual(build.steps, [["build"], ["unit", "docs"], ["release"]]);
});
test("a job that did not run", async () => {
  (await fire(example("github", "push"))).ran("build", "deploy");
});
test("the wrong order", async () => {
  (await fire(example("github", "push"))).order("release", "build");
});
test("not together", async () => {
  (await fire(example("github", "push"))).together("unit", "build");
});
test("a failed build", async () => {
  (await fire({ ...example("github", "push"), jobs: { build: { error: "no space left" } } })).succeeded();
});
test("another reason", async () => {
  (await fire({ ...example("github", "push"), jobs: { build: 3 } })).failed(/exit code 4/);
});
test("another log", async () => (await fire(example("github", "push"))).logged("deployed"));
test("throws a text", () => { throw "so there"; });
test("rejects", async () => { await Promise.reject(new TypeError("not this")); });
test("no such option", () => fire({ type: "push", job: {} }));
test("no such example", () => fire(example("github", "pushed")));
test("no such provider", () => fire(example("gerrit")));
test("no such fixture", () => fixture("none.json"));
test("a fixture elsewhere", () => fixture("../../../../etc/passwd"));
test("no such answer", () => fire({ ...example("github", "push"), jobs: { build: { exit: 1 } } }));
test("an answer that throws", () => fire({ ...example("github", "push"), jobs: () => { throw new Error("my own mistake"); } }));
test("nobody awaits", async () => {
  fire({ type: "push", log: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
});
test("jobs of its own", () => new (require("brigadier").Job)("mine", "alpine:3.20", ["true"]).run());
