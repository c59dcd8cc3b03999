// Jobs that look alike become a class.
const { events, Job } = require("@brigadecore/brigadier");

class MakeJob extends Job {
  constructor(target, ...more) {
    super(`make-${target}`, "alpine:3.20");
    this.mountPath = "/project";
    this.env = { TARGET: target };
    this.tasks = ["cd /project", 'echo "make $TARGET in $(pwd)"', ...more];
  }

  async run() {
    console.log(`${this.name} starts`);
    const result = await super.run();
    console.log(`${this.name} printed ${result.toString().length > 0 ? "something" : "nothing"}`);
    return result;
  }
}

events.on("exec", async () => {
  await new MakeJob("build").run();
  await new MakeJob("test", "ls brigade.js").run();
});
