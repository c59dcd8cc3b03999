const { events, Job } = require("brigadier");
events.on("exec", () => {
  const j = new Job("mounts", "img", ["print x"]);
  j.volumeMounts = [{ name: "nope", mountPath: "/x" }];
  return j.run().catch(err => console.log(err.message, err.code));
});
