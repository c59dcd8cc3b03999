// secret: ghToken=t0ken
const { events, Job } = require("brigadier");
const { KindJob, GitHubRelease, kindJobImage } = require("@brigadecore/brigade-utils");
const { NPMReleaseJob } = require("@brigadecore/brigade-utils/out/npm");
events.on("exec", async (e, p) => {
  const kind = new KindJob("kind");
  console.log(kind.image === kindJobImage, kind.privileged, kind.timeout, kind.volumes.length, kind.volumeMounts.length, kind.tasks.length, kind instanceof Job);
  const release = new GitHubRelease(p, "v1.0.0", "bin");
  console.log(release.name, release.env.GITHUB_TOKEN, release.tasks[release.tasks.length - 1]);
  try { new GitHubRelease({ ...p, secrets: {} }, "v1"); } catch (err) { console.log(err.message); }
  console.log(new NPMReleaseJob("publish").tasks.length);
  await kind.run();
});
