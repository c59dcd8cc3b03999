// event: check_run  payload: {"type":"check_run","body":{"repository":{"full_name":"acme/app"},"check_run":{"head_sha":"c0ffee","check_suite":{"head_branch":"main"}}}}
const { events, Job } = require("brigadier");
const { Check, Notification, Conclusion, KindJob, GitHubRelease } = require("@brigadecore/brigade-utils");
events.on("check_run", async (e, p) => {
  const ok = await new Check(e, p, new Job("unit", "img", ["print fine"]), "https://ci.example.com").run();
  console.log(ok.toString().trim());
  const bad = await new Check(e, p, new Job("lint", "img", ["print broken", "fail 1"])).run();
  console.log("returned, not thrown:", bad instanceof Error, bad.message);
  const n = new Notification("own", e, p);
  n.conclusion = Conclusion.Neutral;
  n.title = "skipped";
  n.summary = "nothing to do";
  await n.send();
  console.log(n.count, n.externalID, JSON.stringify(Conclusion));
});
