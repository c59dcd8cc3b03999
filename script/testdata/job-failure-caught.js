const { events, Job } = require("brigadier");
events.on("exec", async () => {
  try { await new Job("breaks", "img", ["fail 2"]).run(); } catch (err) { console.log("caught", err instanceof Error, err.message); }
});
events.on("after", (e) => console.log("after", e.cause.trigger));
