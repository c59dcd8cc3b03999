export default [{
  name: "main is deployed",
  event: { type: "push", ref: "main", payload: { after: "abc" } },
  secrets: { TOKEN: "a-token" },
  jobs: { build: { output: "v1.2.3\n", sleep: "1m0.5s", artifacts: { "dist/a": "text" } } },
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
  name: "a recording", recording: "push.json", jobs: { "*": { output: "any" } },
  expect(run, t) { t.match(run.log, "built any recorded"); },
}, {
  name: "a broken build", event: { type: "push", payload: "{}" }, jobs: { build: { exitCode: 2 } }, state: "failed",
}, { name: "later", event: { type: "push" }, skip: true },
{ name: "its image", event: { type: "push", payload: {} }, expect: (run, t) => t.equal(run.job("build").image, "node:22", "its image") },
{ name: "missing", event: { type: "push", payload: {} }, expect: (run) => run.job("nope") },
{ name: "fails", event: { type: "push" } },
{ name: "no recording", recording: "none.json" },
{ name: "no event", recording: "payload.json" },
{ name: "no payload", event: { type: "push", payloadFile: "none.json" } }];
