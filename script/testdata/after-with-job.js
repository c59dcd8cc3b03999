const { events, Job } = require("brigadier");
events.on("exec", () => console.log("exec"));
events.on("after", async () => {
  await new Job("notify", "img", ["print done"]).run();
  console.log("notified");
});
