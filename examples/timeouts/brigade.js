// A job has 15 minutes unless it says otherwise, in milliseconds.
const { events, Job } = require("brigadier");

events.on("exec", async () => {
  const slow = new Job("slow", "alpine:3.20", ["echo started", "sleep 60"]);
  slow.timeout = 1500;
  slow.env = { DUMMY_SLEEP: "60s" };
  try {
    await slow.run();
  } catch (error) {
    console.log("too slow: " + error.message);
  }

  const quick = new Job("quick", "alpine:3.20", ["echo in time"]);
  quick.timeout = 60 * 1000;
  await quick.run();
});
