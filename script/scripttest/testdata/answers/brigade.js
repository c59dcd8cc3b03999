const { events, Job } = require("brigadier");

const job = (name, settings) => Object.assign(new Job(name, "alpine:3.20", ["true"]), settings);

events.on("exec", async () => {
  const text = await job("text").run();
  const value = await job("value").run();
  console.log(`${text} ${value.data.n} ${(await job("log").run(), "")}`.trim());
  const soft = await job("soft", { fallible: true }).run();
  console.log(soft.failure.message.replace(/\(.*\)/, ""), soft.exitCode);
  await job("flaky", { retry: { limit: 2, backoff: "10s" } }).run();
  await job("flaky").run().catch((e) => console.log(e.message, e.exitCode));
  await job("slow", { timeout: 1000 }).run().catch((e) => console.log(e.message));
  await job("root", { privileged: true }).run().catch((e) => console.log(e.message));
  const loud = job("loud", { streamLogs: true });
  await loud.run();
  console.log((await loud.logs()).length, (await job("files").run()).artifacts.map((a) => a.name).join());
});
