// Twenty countdowns at once beside jobs that go one after another. The payload
// may make them faster: {"step": 0.05}.
const { events, Job, Group } = require("brigadier");

function countdown(name, from, step) {
  const job = new Job(name, "alpine:3.20");
  job.env = { FROM: String(from), STEP: String(step) };
  job.tasks = [
    "i=$FROM",
    "while [ $i -gt 0 ]; do echo $i; sleep $STEP; i=$((i - 1)); done",
    "echo liftoff",
  ];
  return job;
}

events.on("exec", (e) => {
  const step = e.payload ? JSON.parse(e.payload).step : 1;

  const parallel = new Group();
  for (let i = 1; i <= 20; i++) {
    parallel.add(countdown(`countdown-${i}`, 5, step));
  }

  const sequential = new Group([
    countdown("first", 3, step),
    countdown("second", 3, step),
    countdown("third", 3, step),
  ]);

  parallel.runAll().then(() => console.log(`all ${parallel.length()} are up`));
  sequential.runEach().then(() => console.log("one after another"));
});
