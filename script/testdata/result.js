const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const r = await new Job("text", "img", ["print one", "print two", 'outputs {"version":"1.2"}']).run();
  console.log(JSON.stringify(r.toString()), JSON.stringify(`${r}`), JSON.stringify(r.data), r.outputs.version, r.exitCode, r.jobID);
  const j = await new Job("json", "img", ['print {"spec":{"n":4}}']).run();
  console.log(JSON.stringify(j.toString()), j.data.spec.n, JSON.parse(j.toString()).spec.n);
  const l = await new Job("list", "img", ["raw [1,2]"]).run();
  console.log(Array.isArray(l.data), l.data.length);
  for (const text of ["12", "true", '"q"', "{broken", ""]) {
    const x = await new Job("scalar", "img", ["raw " + text]).run();
    console.log(typeof x.data, JSON.stringify(x.data));
  }
});
