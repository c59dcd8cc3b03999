// brig test: what is written out at the end, when all went well and when not.
const { test, fire, fixture, example } = require("brigade/test");

test("a good pull request", async () => {
  const build = await fire({ type: "pull_request", payload: fixture("good.json") });
  build.succeeded().ran("test").logged(/^pull request #\d+: /m).logged("after: ");
});

test("a broken one", async () => {
  const build = await fire({ type: "pull_request", payload: fixture("broken.json"), jobs: { test: { exitCode: 3 } } });
  build.failed("it ended with exit code 3").logged("error: ");
});

test("one as GitHub sends it", async () => {
  const build = await fire(example("github", "pull_request"));
  build.succeeded().logged("pull request #");
});
