// A script may be several files. Local modules resolve as in Node.
const { events } = require("brigadier");
const { images } = require("./ci/config.json");
const { check, release } = require("./ci");

events.on("exec", async () => {
  await check(images.small).run();
  await release(images.small, "v2").run();
});
