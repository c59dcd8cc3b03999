const { events, Job: J } = require("brigadier");
const brigade = require("@brigadecore/brigadier");
const bad = "Unit_Tests";

class Make extends J {
  constructor(target) {
    super(`make_${target}`, "golang");
  }
}
class Special extends Make {
  constructor() {
    super("All Of It");
    this.image = "golang:latest";
  }
}

events.on("exec", async () => {
  await new J("unit tests", "alpine:3.20", ["true"]).run();
  await new brigade.Job(bad, "alpine:3.20", ["true"]).run();
  await new brigade.Job("-x", "Alpine:3.20", ["true"]).run();
  await new J("a-name-that-is-a-little-longer-than-it-may-be", "ghcr.io/acme/app@sha256:0123456789012345678901234567890123456789012345678901234567890123", ["true"]).run();
  await new J(`ok-${bad.toLowerCase()}`, `localhost:5000/app`, ["true"]).run();
  await new J(`not ok ${bad}`, "alpine:3.20:1", ["true"]).run();
  try {
    new J("Deliberate", "alpine:3.20");
  } catch (e) {
    console.log(e.message);
  }
  await new Make("all").run();
  await new Special().run();
  const Job = class { constructor(name) { this.name = name; } run() {} };
  new Job("Not one of ours").run();
  const j = new J("set-later");
  j.image = "UPPER:1";
  j.tasks = ["true"];
  await j.run();
  await new J("nothing").run();
  const k = new J("no-image");
  k.tasks = ["true"];
  await k.run();
  const l = new J("nothing-either");
  l.env = { A: "1" };
  await l.run();
  const m = new J("handed-on");
  complete(m);
  await m.run();
});

function complete(job) {
  job.image = "alpine:3.20";
}
