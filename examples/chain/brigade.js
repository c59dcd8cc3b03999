// One event leads to the next: a script may fire events of its own.
const { events, Job } = require("brigadier");

events.on("exec", (e, project) => {
  new Job("compile", "alpine:3.20", ["echo compiled"]).run().then(() => {
    events.emit("compiled", e, project);
  });
});

events.on("compiled", (e, project) => {
  new Job("test", "alpine:3.20", ["echo tested"]).run().then(() => {
    // fire takes the name from the event.
    events.fire({ ...e, type: "tested" }, project);
  });
});

events.on("tested", (e) => {
  console.log(`${e.type}, for build ${e.buildID.length > 0 ? "of the same id" : "nobody"}`);
  new Job("ship", "alpine:3.20", ["echo shipped"]).run();
});
