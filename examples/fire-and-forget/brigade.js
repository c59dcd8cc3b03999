// Nobody waits for these jobs, but the build does: it ends when they have.
const { events, Job } = require("brigade");

events.on("exec", () => {
  for (const name of ["one", "two", "three"]) {
    const job = new Job(name, "alpine:3.20", ["sleep 1", `echo ${name} is done`]);
    job.streamLogs = true; // its lines in the build's log, too
    job.run();
  }
  console.log("the handler is over");
});

events.on("after", () => console.log("now all is over"));
