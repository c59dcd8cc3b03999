const { events, Job, Group } = require("brigadier");

events.on("push", async (e, project) => {
  const push = JSON.parse(e.payload);
  const build = new Job("build", "golang:1.26", ["make"]);
  const { outputs } = await build.run();
  await Group.runAll(["unit", "lint", "docs"].map((name) => new Job(name, "golang:1.26", [`make ${name}`])));
  const release = new Job("release", "alpine:3.20", ["./release"]);
  release.env = { VERSION: outputs.version || "none", TOKEN: project.secrets.token, REF: e.revision.ref };
  if (e.revision.ref === "refs/heads/main") await release.run();
  console.log(`released ${push.repository ? push.repository.full_name : "nothing"}`);
});
events.on("error", (e) => console.error(`oh no: ${e.cause.reason.message}`));
