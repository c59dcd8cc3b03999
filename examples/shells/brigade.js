// Tasks run in /bin/sh, strictly (set -e). Another shell is a field; with
// /bin/bash a failing part of a pipe counts, too. A job without tasks runs what
// its image runs, with args.
const { events, Job } = require("brigadier");

events.on("exec", async () => {
  const bash = new Job("bash", "debian:12");
  bash.shell = "/bin/bash";
  bash.tasks = ["false | true || echo the pipe failed", 'echo "run by $0"'];
  await bash.run();

  const own = new Job("own-command", "busybox:1.36");
  own.args = ["echo", "no tasks, only args"];
  await own.run();
});
