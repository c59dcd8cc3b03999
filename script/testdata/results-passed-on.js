const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const version = await new Job("version", "img", ["raw 1.2.3"]).run();
  const build = new Job("build", "img", ["print building " + version.toString()]);
  build.env = { VERSION: version };
  console.log((await build.run()).toString().trim());
});
