const { events, Job } = require("brigadier");
events.on("exec", async () => {
  await new Job("breaks", "img", ["fail 2"]).run();
  console.log("never");
});
events.on("after", () => console.log("never either"));
events.on("error", (e, p) => console.log("error:", e.type, e.provider, e.cause.trigger, e.cause.reason.message, e.cause.event.type, p.id === require("brigadier").events ? "" : "p"));
