const assert = require("assert");
const { test, fire } = require("brigade/test");

const jobs = { lock: { delay: 100 }, build: { delay: 1000 }, test: { delay: 300 } };

test("a script cleans up", async () => {
  const build = await fire({ type: "deploy", jobs, cancel: 700 });
  build.canceled().ran("lock", "build", "test", "unlock").notRan("deploy").logged("canceled: deploy cancel");
  assert.equal(build.text, "canceled: deploy cancel");
  assert.deepEqual(build.jobs.map((j) => `${j.name} ${j.state} ${j.started}-${j.ended}`), [
    "lock succeeded 0-100", "build canceled 100-700", "test succeeded 100-400", "unlock succeeded 700-700"]);
});

test("one that does not listen ends", async () => {
  const build = await fire({ type: "deploy", script: "deaf.js", jobs, cancel: 700 });
  build.canceled().ran("build").notRan("deploy");
  assert.equal(build.job("build").state, "canceled");
  assert.equal(build.failure.code, "canceled");
  (await fire({ type: "timer", script: "deaf.js", cancel: 0 })).canceled();
});

test("too late is no cancel", async () => {
  (await fire({ type: "deploy", jobs, cancel: 5000 })).succeeded().ran("deploy").notRan("unlock");
});

test("one that was not canceled", async () => {
  (await fire({ type: "deploy", jobs })).canceled();
});

test("a canceled build has not failed", async () => {
  (await fire({ type: "deploy", jobs, cancel: 1 })).failed();
});

test("before the beginning", async () => {
  await fire({ type: "deploy", cancel: -1 });
});
