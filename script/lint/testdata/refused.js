// events: push
// secret: TOKEN
const { events, Job } = require("brigadier");

class Docker extends Job {
  constructor(name) {
    super(name, "docker:28", ["docker build ."]);
    Object.assign(this, { privileged: true });
  }
}

events.on("push", async (e, project) => {
  await new Job("test", "golang:1.26", ["go test"]).run();
  await new Docker("image").run();
});
