const { events, Job } = require("brigadier");
events.on("exec", async () => {
  setTimeout(() => console.log("never"), 20);
  throw new Error("first");
});
events.on("error", () => { throw new Error("in error"); });
