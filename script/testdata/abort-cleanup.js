// abort: now
const { events, Job } = require("brigadier");
events.on("exec", (e) => {
  e.signal.addEventListener("abort", () => console.log("signal:", e.signal.reason.message));
  setTimeout(() => console.log("other callbacks go on"), 20);
  console.log("now");
});
events.on("cancel", async (e) => {
  console.log("cleaning up", e.cause.event.type, e.cause.trigger, e.signal.aborted);
  await new Job("clean", "alpine", ["print cleaned"]).run();
  console.log("cleaned up");
});
events.on("error", () => console.log("never"));
events.on("after", () => console.log("never"));
