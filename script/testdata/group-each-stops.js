const { events, Job, Group } = require("brigadier");
events.on("exec", async () => {
  await Group.runEach([new Job("a", "img", ["fail 1"]), new Job("b", "img", ["print b"])]).catch(err => console.log(err.message));
  const c = new Job("c", "img", ["meet 2", "fail 1"]), d = new Job("d", "img", ["meet 2", "hang"]);
  await new Group([d, c]).runAll().catch(err => console.log(err.message));
  console.log((await Group.runAll([])).length);
  process.exit(0);
});
