// A matrix is two loops. All jobs start at once; the build ends when the last
// one has.
const { events, Job } = require("brigadier");

const images = ["alpine:3.20", "debian:12"];
const suites = ["unit", "integration"];

events.on("exec", async () => {
  const running = [];
  for (const image of images) {
    for (const suite of suites) {
      const name = `${suite}-on-${image.split(":")[0]}`;
      const job = new Job(name, image, [`echo ${suite} tests pass`, "sleep 1"]);
      running.push(job.run().then((result) => ({ name, ok: true, lines: result.toString().split("\n").length })));
    }
  }
  const done = await Promise.all(running);
  console.log(`${done.filter((r) => r.ok).length} of ${images.length * suites.length} suites pass`);
});
