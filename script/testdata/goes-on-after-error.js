const { events, Job } = require("brigadier");
events.on("exec", () => {
  setTimeout(() => new Job("other", "img", ["print x"]).run().then(() => {
    console.log("job still ends");
    setTimeout(() => console.log("timer still runs"), 1);
  }), 1);
  throw new Error("sync");
});
events.on("exec", () => console.log("the next handler does not run"));
events.on("error", (e) => console.log("error:", e.cause.reason.message, e.cause.trigger));
