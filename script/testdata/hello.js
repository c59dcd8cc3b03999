const { events, Job } = require("brigadier");
events.on("exec", (e, p) => {
  console.log("building", e.revision.commit, "of", p.name);
  new Job("hello", "alpine:3.20", ["print hi"]).run().then(r => console.log(String(r)));
});
