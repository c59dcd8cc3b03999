const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const tries = {
    tasks: "echo hi", args: 5, env: ["A=1"], timeout: "soon", volumes: {}, image: {}, host: "linux", imagePullSecrets: "one",
  };
  for (const k of Object.keys(tries)) {
    const j = new Job("bad", "img", ["print x"]);
    j[k] = tries[k];
    await j.run().catch(err => console.log(err.message));
  }
  const nested = new Job("bad", "img", ["print x", undefined, 7, { a: 1 }]);
  await nested.run().catch(err => console.log(err.message));
  const env = new Job("bad", "img", ["print x"]);
  env.env = { X: ["a"] };
  await env.run().catch(err => console.log(err.message));
});
