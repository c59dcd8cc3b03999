// An ES module: import, top-level await, async generators, dynamic import.
import { events, Job } from "brigadier";
import { readFile } from "node:fs/promises";

const { names } = JSON.parse(await readFile("names.json", "utf8"));

async function* greetings() {
  for (const name of names) {
    const job = new Job(`greet-${name}`, "alpine:3.20", [`echo hello ${name}`]);
    await job.run();
    yield name;
  }
}

events.on("exec", async () => {
  const { join } = await import("./words.mjs");
  const greeted = [];
  for await (const name of greetings()) {
    greeted.push(name);
  }
  console.log(`greeted ${join(greeted)}`);
});
