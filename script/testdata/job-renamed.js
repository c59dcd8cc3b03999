const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const j = new Job("fine", "img", ["print x"]);
  j.name = "Not Fine";
  await j.run().catch(err => console.log(err.message));
});
