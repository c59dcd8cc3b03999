const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const j = new Job("logged", "img", ["print some output"]);
  await j.logs().catch(err => console.log(err.message));
  await j.run();
  console.log(await j.logs());
  const bad = new Job("broken", "img", ["print before it broke", "fail 3"]);
  try { await bad.run(); } catch (err) { console.log(err.message, err.code, err.exitCode, err.jobID, "log:", await bad.logs()); }
});
