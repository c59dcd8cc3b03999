// A pipeline in plain JavaScript: prepare, then three jobs at once, then pack.
// What one job prints goes to the next ones as an environment variable.
const { events, Job, Group } = require("brigadier");

// step makes a job that works for some seconds and then does its tasks.
function step(name, seconds, env, ...tasks) {
  const job = new Job(name, "alpine:3.20");
  job.env = { SECONDS_OF_WORK: String(seconds), ...env };
  job.tasks = [
    'i=0; while [ $i -lt "$SECONDS_OF_WORK" ]; do i=$((i + 1)); echo "step $i of $SECONDS_OF_WORK"; sleep 1; done',
    ...tasks,
  ];
  return job;
}

events.on("exec", async () => {
  const prepared = await step("prepare", 1, {}, "echo version 1.4.$(ls | wc -l)").run();
  const VERSION = prepared.toString().trim().split("version ").pop();

  const results = await Group.runAll([
    step("lint", 2, { VERSION }, "echo nothing to complain about"),
    step("unit-tests", 4, { VERSION }, 'echo "$VERSION passes"'),
    step("docs", 3, { VERSION }, 'echo "<h1>$VERSION</h1>"'),
  ]);
  console.log(`${results.length} jobs ran at once`);

  await step("package", 1, { VERSION }, 'echo "packed $VERSION"').run();
});
