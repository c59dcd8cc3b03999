const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const job = new Job("extra", "alpine", ["spec"]);
  job.retry = { limit: 3, backoff: "2s" };
  job.fallible = true;
  job.artifacts = ["dist/**"];
  await job.run();
  const short = new Job("short", "alpine", ["spec"]);
  short.retry = 2;
  await short.run();
  for (const bad of [{ limit: -1 }, { limit: "x" }, "often", { limit: 1.5 }]) {
    const wrong = new Job("wrong", "alpine", ["true"]);
    wrong.retry = bad;
    await wrong.run().catch((err) => console.log(err.message));
  }
});
