const { events } = require("brigadier");
const { jobs } = require("./ci");
const config = require("./config.json");
events.on("exec", async () => {
  for (const job of jobs()) await job.run();
  if (config.never) require("./ci/broken");
});
