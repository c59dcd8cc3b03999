const { events, Job } = require("brigadier");
const image = (name) => name;

events.on("push", async (e) => {
  if (!JSON.parse(e.payload).after_that) throw new Error("no after");
});
events.on("pull_request", async (e) => {
  console.log(JSON.parse(e.payload).pull_request ? "an example" : "none");
  const lost = new Job("lost", image("alpine"), ["true"]);
  try {
    await lost.run();
  } catch (error) {
    lost.mind = "never";
  }
  await new Job("told", image("alpine:3.20"), ["true"]).run().catch((error) => console.log("never mind"));
  const may = new Job("may", image("alpine:3.20"), ["true"]);
  may.fallible = true;
  await may.run();
  await new Job("none", image(""), ["true"]).run();
  await new Job("upper", image("UPPER:1"), ["true"]).run();
});
events.on("exec", async () => {
  await fetch("https://example.com/");
});
events.on("webhook", async (e, project) => {
  const job = new Job("dropped", "alpine:3.20", ["true"]);
  await job.run().catch(() => {});
  await new Job("also", "alpine:3.20", ["true"]).run().catch(() => {});
  if (JSON.parse(e.payload).never) project.secrets.token.trim();
});
