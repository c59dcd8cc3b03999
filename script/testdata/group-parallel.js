const { events, Job, Group } = require("brigadier");
events.on("exec", async () => {
  // Each waits for all to run, and the first one ends last.
  const results = await Group.runAll([
    new Job("a", "img", ["meet 3", "wait b", "print a"]), new Job("b", "img", ["meet 3", "wait c", "print b"]), new Job("c", "img", ["meet 3", "print c"])]);
  console.log("in order", results.map(r => r.toString().trim()).join());
});
