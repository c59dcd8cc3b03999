// abort: now
const { events, Job } = require("brigadier");
let cleaned = false;
events.on("exec", (e) => {
  e.signal.addEventListener("abort", () => console.log("signal:", e.signal.reason.message));
  console.log("now");
  const waiting = setInterval(() => {
    if (!cleaned) return;
    clearInterval(waiting);
    console.log("other callbacks go on");
  }, 5);
});
events.on("cancel", async (e) => {
  console.log("cleaning up", e.cause.event.type, e.cause.trigger, e.signal.aborted);
  await new Job("clean", "alpine", ["print cleaned"]).run();
  console.log("cleaned up");
  cleaned = true;
});
events.on("error", () => console.log("never"));
events.on("after", () => console.log("never"));
