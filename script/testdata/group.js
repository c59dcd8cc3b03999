const { events, Job, Group } = require("brigadier");
events.on("exec", async () => {
  const job = (name, ...tasks) => new Job(name, "img", tasks);
  const g = new Group([job("a", "print a")]);
  g.add(job("b", "print b"), job("c", "print c"));
  console.log(g.length(), (await g.runEach()).map(r => r.toString().trim()).join());
  console.log((await Group.runEach([job("d", "print d"), job("e", "print e")])).join("").trim().split("\n").join());
});
