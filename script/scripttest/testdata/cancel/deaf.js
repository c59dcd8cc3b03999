const { events, Job } = require("brigadier");
events.on("deploy", async () => {
  await new Job("build", "alpine:3.20", ["build"]).run().catch((err) => console.log(err.message));
  await new Job("deploy", "alpine:3.20", ["deploy"]).run();
});
events.on("timer", () => new Promise((done) => setTimeout(done, 60000)).then(() => console.log("never")));
