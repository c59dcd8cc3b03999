// Handlers inside handlers, and several for one event: all of them run, in the
// order they were registered.
const { events, Job } = require("brigadier");

events.on("exec", () => console.log("first handler"));

events.on("exec", (e, project) => {
  console.log("second handler");
  events.on("deploy", (e) => {
    new Job("deploy", "alpine:3.20", ["echo deploying"]).run();
  });

  const build = new Job("build", "alpine:3.20", ["echo building"]);
  build.run().then(() => events.emit("deploy", e, project));
});

console.log(events.has("exec") && !events.has("deploy") ? "deploy comes later" : "something is wrong");
