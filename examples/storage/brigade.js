// A directory that all jobs of a build share. It starts empty and goes when the
// build ends.
const { events, Job, Group } = require("brigadier");

function job(name, ...tasks) {
  const j = new Job(name, "alpine:3.20", tasks);
  j.storage.enabled = true; // at /mnt/brigade/share, or at storage.path
  return j;
}

events.on("exec", async () => {
  await job("write", "ls -A /mnt/brigade/share | wc -l", "echo forty-two > /mnt/brigade/share/answer").run();

  const reader = job("read", "echo the answer is $(cat /mnt/brigade/share/answer)");
  const elsewhere = job("read-elsewhere", "echo here it is $(cat /shared/answer)");
  elsewhere.storage.path = "/shared";
  await Group.runAll([reader, elsewhere]);

  // Without storage there is no such directory.
  await new Job("without", "alpine:3.20", ["test ! -e /mnt/brigade/share/answer", "echo not mine"]).run();
});
