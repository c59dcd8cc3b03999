// Every job sees the project's files at /src, in a view of its own: what it
// writes hurts neither the other jobs nor your working tree.
const { events, Job } = require("brigadier");

events.on("exec", async () => {
  await new Job("write", "alpine:3.20", ["cd /src", "echo changed > notes.txt", "rm brigade.js", "cat notes.txt"]).run();
  await new Job("look", "alpine:3.20", ["cd /src", "cat notes.txt", "ls brigade.js"]).run();

  const bare = new Job("without-source", "alpine:3.20", ["test ! -e /src/notes.txt", "echo nothing here"]);
  bare.useSource = false;
  await bare.run();
});
