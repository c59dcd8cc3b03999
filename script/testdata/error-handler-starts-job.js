const { events, Job } = require("brigadier");
events.on("exec", async () => { throw new Error("oops"); });
events.on("error", async (e) => {
  const r = await new Job("report", "img", ["print " + e.cause.reason.message]).run();
  console.log("reported", r.toString().trim());
});
