// brig test: tests can be TypeScript, too, and import what the script imports.
import assert from "node:assert/strict";
import { test, fire } from "brigade/test";
import { matrix } from "./targets";

test("there is a job for every target", async () => {
  const build = await fire({ revision: { ref: "refs/heads/next" } });
  const names = matrix.map((target) => `compile-${target.os}-${target.arch}`);
  build.succeeded().together(...names).logged("at refs/heads/next");
  assert.equal(build.jobs.length, names.length);
});
