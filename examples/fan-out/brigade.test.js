// brig test: all suites run side by side, and one that fails fails the build.
const assert = require("assert");
const { test, fire } = require("brigade/test");

const suites = ["unit-on-alpine", "integration-on-alpine", "unit-on-debian", "integration-on-debian"];

test("every suite runs on every image, side by side", async () => {
  const build = await fire({ jobs: { "unit-on-debian": { delay: 500 }, "*": { delay: 100 } } });
  build.succeeded().ran(...suites).together(...suites).logged("4 of 4 suites pass");
  assert.equal(build.job("unit-on-debian").image, "debian:12");
});

test("a suite that fails fails the build, and the others go on", async () => {
  const build = await fire({ jobs: { "unit-on-alpine": { exitCode: 1 }, "*": { delay: 100 } } });
  build.failed("it ended with exit code 1").ran(...suites);
  assert.equal(build.job("integration-on-debian").state, "succeeded");
});
