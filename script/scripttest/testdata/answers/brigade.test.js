const assert = require("node:assert");
const { test, fire } = require("brigade/test");

test("every kind of answer", async () => {
  const seen = [];
  const build = await fire({
    project: { allowPrivilegedJobs: false },
    jobs: {
      text: "hello",
      value: { output: { n: 42 } },
      soft: { exitCode: 7 },
      flaky: [1, new Error("again"), (job, attempt) => ({ output: `${job.image} ${attempt}` }), { exitCode: 9 }],
      slow: { delay: Infinity },
      loud: async (job) => `one\n${job.name}\n`,
      files: { artifacts: ["dist/a.txt"] },
      "*": (job) => { seen.push(job.name); },
    },
  });
  build.succeeded();
  assert.strictEqual(build.text, [
    "hello 42",
    "job soft: it ended with exit code 7 7",
    "job flaky(flaky-01test00000000000000000001-2): it ended with exit code 9 9",
    "job slow(slow-01test00000000000000000001): time limit (1000 ms) exceeded",
    'job root(root-01test00000000000000000001): the project does not allow privileged jobs, which job "root" asks for',
    "one",
    "loud",
    "9 dist/a.txt",
  ].join("\n"));
  assert.deepStrictEqual(seen, ["log"]);
  const flaky = build.jobs.filter((j) => j.name === "flaky");
  assert.deepStrictEqual(flaky.map((j) => [j.attempts, j.state, j.ended - j.started]), [[3, "succeeded", 30000], [1, "failed", 0]]);
  assert.strictEqual(flaky[0].output, "alpine:3.20 3");
  assert.strictEqual(build.job("slow").ended - build.job("slow").started, 1000);
});
