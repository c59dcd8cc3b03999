const assert = require("assert");
const { test, fire } = require("brigade/test");

test("time leaps", async () => {
  const build = await fire({ jobs: { slow: { delay: 61000 }, a: { delay: 3 }, b: { delay: 2 }, c: { delay: 1 }, f: { delay: 2 } } });
  build.succeeded();
  assert.strictEqual(build.text, "timer\ndecbfa");
  assert.strictEqual(build.job("a").started, 3660000);
});
test("chains run side by side", async () => {
  for (let i = 0; i < 20; i++) {
    const build = await fire({ type: "chains", jobs: { a1: { delay: 10 }, a2: { delay: 10 }, a3: { delay: 10 }, b1: { delay: 25 }, b2: { delay: 100 } } });
    build.order("a1", "a2", "a3", "last").order("b1", "b2", "last").together("a1", "b1").together("a3", "b2");
    assert.deepStrictEqual(build.jobs.map((j) => `${j.name} ${j.started}-${j.ended}`), ["a1 0-10", "b1 0-25", "a2 10-20", "a3 20-30", "b2 25-125", "last 125-125"]);
  }
});
test("a timer that goes on", () => fire("forever"));
