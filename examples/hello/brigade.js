// One job, as small as it gets. The module has four names; this is the oldest.
const { events, Job } = require("@azure/brigadier");

events.on("exec", () => {
  const hello = new Job("hello", "alpine:3.20");

  // Where it runs and what it needs: a cluster's business. The other runners
  // read it and go on.
  hello.host.name = "virtual-node";
  hello.resourceRequests.cpu = "100m";
  hello.resourceRequests.memory = "64Mi";

  hello.tasks = ["echo Hello from $(uname -s)"];
  hello.run();
});
