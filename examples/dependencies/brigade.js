// brigade.json names the packages a script needs, with exact versions. This one
// is built in, so nothing is downloaded; others come from the npm registry,
// without Node on the machine.
const { events, Job } = require("brigadier");
const { Check } = require("@brigadecore/brigade-utils");

function runSuite(e, project) {
  const lint = new Job("lint", "alpine:3.20", ["echo lint is happy"]);
  return new Check(e, project, lint, "https://ci.example/" + e.buildID).run();
}

events.on("check_suite:requested", runSuite);
events.on("issue_comment:created", (e, project) => Check.handleIssueComment(e, project, runSuite));
