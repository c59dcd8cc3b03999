// What we add to a job's error does not change how it is printed.
const { events, Job } = require("brigadier");
const util = require("util");
events.on("exec", async () => {
  const bad = new Job("bad", "img", ["print partial", "fail 3"]);
  const err = await bad.run().catch((e) => e);
  console.log(util.inspect(err));
  console.log(Object.keys(err), JSON.stringify(err));
  console.log(err.code, err.exitCode, err.jobID);
});
