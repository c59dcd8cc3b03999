// What happens when a job fails: catch it and go on, or let it end the build.
const { events, Job } = require("brigadier");

const bad = () => new Job("bad", "alpine:3.20", ["echo about to fail", "exit 7"]);
const clean = () => new Job("clean-up", "alpine:3.20", ["echo cleaned up"]);

// The dummy runner fails a job that says so in its environment.
function failing() {
  const job = bad();
  job.env = { DUMMY_EXIT_CODE: "7" };
  return job;
}

// Caught with async/await: the build succeeds.
events.on("caught", async () => {
  try {
    await failing().run();
    console.log("this line is never reached");
  } catch (error) {
    console.log("caught: " + error.message);
  } finally {
    await clean().run();
  }
});

// Caught with promises: the same.
events.on("promised", () => {
  failing()
    .run()
    .then(() => console.log("this line is never reached"))
    .catch((error) => console.log("caught: " + error.message))
    .then(() => clean().run());
});

// Not caught: `error` fires once, and the build fails.
events.on("uncaught", () => {
  failing().run();
});

// An exception of the script itself: the same.
events.on("thrown", () => {
  throw new Error("the script gave up");
});

events.on("error", (e) => {
  console.log(`error after ${e.cause.event.type}: ${e.cause.reason}`);
});
