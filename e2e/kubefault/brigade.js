// The pipeline of the fault test: one job, two at once, and one that needs all.
const { events, Job, Group } = require("brigadier");

function job(name) {
  const j = new Job(name, "localhost/bb:1", ["echo hello"]);
  j.retry = { limit: 4, backoff: "100ms" }; // somebody deletes their pods
  j.storage.enabled = name === "first" || name === "last";
  return j;
}

events.on("exec", async () => {
  const print = async (j) => {
    const result = await j.run();
    if (result.toString().trim() !== "hello") {
      throw new Error("WRONG RESULT of " + j.name + ": " + JSON.stringify(result.toString()));
    }
  };
  await print(job("first"));
  await Promise.all([print(job("left")), print(job("right"))]);
  await print(job("last"));
});
