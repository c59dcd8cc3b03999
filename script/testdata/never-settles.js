const { events } = require("brigadier");
events.on("exec", async () => {
  console.log("waiting");
  await new Promise(() => {});
  console.log("never");
});
events.on("after", (e) => console.log("after", e.cause.trigger));
