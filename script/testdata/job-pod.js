const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const job = new Job("tuned", "alpine", ["spec"]);
  job.pod = { spec: { tolerations: [{ key: "ci", operator: "Exists" }], nodeSelector: { disk: "fast" } }, metadata: { labels: { team: "a" } } };
  job.sidecars = [{ name: "db", image: "postgres:16", env: [{ name: "POSTGRES_PASSWORD", value: "x" }] }];
  await job.run();
  for (const [field, bad] of [["pod", []], ["pod", "x"], ["sidecars", {}], ["sidecars", ["db"]]]) {
    const wrong = new Job("wrong", "alpine", ["true"]);
    wrong[field] = bad;
    await wrong.run().catch((err) => console.log(err.message));
  }
});
