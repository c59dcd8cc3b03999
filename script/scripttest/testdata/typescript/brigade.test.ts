import assert from "node:assert/strict";
import { test, fire, type Build } from "brigade/test";
import { image } from "./images";

interface Expected { image: string }

test("the image comes from elsewhere", async () => {
  const build: Build = await fire({ type: "exec" });
  const want: Expected = { image: image("go") };
  assert.equal(build.job("build").image, want.image);
  assert.equal(build.job("build").image, "node:22");
});
