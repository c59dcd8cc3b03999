// Tests for a pull request, with what happened written out at the end: `after`
// when all went well, `error` when something did not.
const { events, Job } = require("brigadier");
const util = require("util");

events.on("pull_request", (e, project) => {
  const pr = JSON.parse(e.payload);
  console.log(`pull request #${pr.number}: ${pr.pull_request.title}`);

  const test = new Job("test", "alpine:3.20");
  test.env = { TITLE: pr.pull_request.title };
  test.tasks = ['echo "testing: $TITLE"', 'case "$TITLE" in *broken*) echo "it is broken"; exit 3 ;; esac', "echo ok"];
  test.run();
});

events.on("after", (e) => {
  console.log("after: " + util.inspect({ type: e.cause.event.type, trigger: e.cause.trigger }));
});

events.on("error", (e) => {
  console.log("error: " + util.inspect({ type: e.cause.event.type, trigger: e.cause.trigger }));
  console.log(util.inspect(e.cause.reason, { depth: 1 }));
});
