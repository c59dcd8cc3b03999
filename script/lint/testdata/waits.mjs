import { events, Job } from "brigadier";
import { readFile } from "node:fs/promises";

const text = await Promise.resolve("x");

events.on("exec", async () => {
  new Job("Bad Name", "alpine:3.20", ["true"]).run();
  const { Job: Later } = await import("brigadier");
  await new Later("Bad Too", "alpine:3.20", ["true"]).run();
});
