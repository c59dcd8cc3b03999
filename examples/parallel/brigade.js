// A pipeline in plain JavaScript: prepare, then three jobs at once, then pack.
// Each job sees the project's files at /src; what they hand on goes through
// the build's shared directory.
const { events, Job, Group } = require("brigadier");

const share = "/mnt/brigade/share";

// step makes a job that works for a moment, a line at a time.
function step(name, seconds, ...tasks) {
  const job = new Job(name, "alpine:3.20");
  job.storage.enabled = true;
  job.env = { SECONDS_OF_WORK: String(seconds) };
  job.tasks = [
    'for i in $(seq 1 "$SECONDS_OF_WORK"); do echo "step $i of $SECONDS_OF_WORK"; sleep 1; done',
    ...tasks,
  ];
  return job;
}

events.on("exec", async () => {
  await step("prepare", 1, `ls | wc -l > ${share}/files`).run();

  const results = await Group.runAll([
    step("lint", 2, "echo nothing to complain about"),
    step("unit-tests", 4, `echo "$(cat ${share}/files) files tested"`),
    step("docs", 3, `echo "<h1>docs</h1>" > ${share}/index.html`),
  ]);
  console.log(`${results.length} jobs ran at once`);

  await step("package", 1, `test -s ${share}/index.html`, "echo packed").run();
});
