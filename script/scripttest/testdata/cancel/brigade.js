const { events, Job } = require("brigadier");

const job = (name) => new Job(name, "alpine:3.20", [name]).run();

events.on("deploy", async (e) => {
  await job("lock");
  await Promise.all([job("build"), job("test")]);
  await job("deploy");
});
events.on("cancel", async (e) => {
  console.log("canceled:", e.cause.event.type, e.cause.trigger);
  await job("unlock");
});
events.on("after", () => console.log("after"));
events.on("error", () => console.log("error"));
