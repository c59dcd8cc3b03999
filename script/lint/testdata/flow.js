const { events, Job, Group } = require("brigade");

const make = (name) => new Job(name, "alpine:3.20", ["true"]);
function build() {
  const job = make("build");
  job.timeout = 1000;
  return job;
}

events.on("push", () => {
  build().run();
  const unit = new Job("unit", "alpine:3.20", ["true"]);
  unit.run();
  void unit.run();
  try {
    unit.run();
  } catch (e) {
    console.log(e);
  }
  if (unit.name) {
    unit.run(); // the last of its handler
  }
});
events.on("exec", async (e, project) => {
  for (const name of ["a", "b"]) make(name).run();
  await make("c").run().catch(() => {});
  await make("d").run().then((r) => r).catch(function () {});
  await make("d").run().catch(() => null);
  await make("e").run().catch((error) => console.log(error));
  try {
    await make("f").run();
  } catch {}
  try {
    await make("f").run();
  } catch {
    console.log("never mind");
  }
  new Group([make("g")]).runAll();
  await Group.runEach([new Job("same", "alpine:3.20"), new Job("same", "alpine:3.20"), new Job("other", "alpine:3.20")]);
  const one = new Job("one", "alpine:3.20");
  await Promise.all([one.run(), new Job("one", "alpine:3.20").run()]);
  const started = make("h").run(); // looked at below
  make("i").run(); // brig-lint-ignore not-awaited
  // brig-lint-ignore
  make("j").run();
  make("k").run(); // brig-lint-ignore job-name
  await started;
  Group.runAll([one]);
});
