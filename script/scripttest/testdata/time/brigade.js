const { events, Job } = require("brigadier");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const job = (name) => new Job(name, "alpine:3.20", ["true"]).run();

events.on("exec", async () => {
  await sleep(3600 * 1000);
  const first = await Promise.race([job("slow").then(() => "job"), sleep(60000).then(() => "timer")]);
  console.log(first);
  const order = [];
  await Promise.all(["a", "b", "c", "d", "e", "f"].map((name) => job(name).then(() => order.push(name))));
  console.log(order.join(""));
});
events.on("chains", async () => {
  const chain = async (...names) => { for (const name of names) await job(name); };
  await Promise.all([chain("a1", "a2", "a3"), chain("b1", "b2")]);
  await require("fs").promises.readFile(__filename);
  await job("last");
});
events.on("forever", () => { setInterval(() => {}, 1000); });
