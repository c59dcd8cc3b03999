const { events, Job, fire } = require("brigadier");
events.on("exec", async (e, p) => {
  await new Job("one", "img", ["print 1"]).run();
  events.emit("next", e, p);
});
events.on("next", (e, p) => {
  console.log("next", e.type);
  e.type = "last";
  events.fire(e, p);
  fire({ ...e, type: "very-last" }, p);
  events.emit("unheard", e, p);
});
events.on("last", (e) => console.log("last", e.buildID));
events.on("very-last", (e) => console.log("very last", e.buildID));
