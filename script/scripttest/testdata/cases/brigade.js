const { events, Job } = require("brigadier");
events.on("push", async (e, p) => {
  const build = new Job("build", "golang:1.26", ["go build"]);
  const version = (await build.run()).toString().trim();
  console.log("built", version, JSON.parse(e.payload).after);
  if (e.revision.ref !== "main") return;
  const deploy = new Job("deploy", "helm:3.17", ["helm upgrade"]);
  deploy.env = { VERSION: version, TOKEN: p.secrets.TOKEN };
  await deploy.run();
});
