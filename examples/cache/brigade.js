// A directory that a job finds again in the next build of the project, such as
// the place where a package manager keeps what it has downloaded.
const { events, Job } = require("brigadier");

events.on("exec", () => {
  const fetch = new Job("fetch", "alpine:3.20");
  fetch.cache.enabled = true; // at /mnt/brigade/cache, or at cache.path
  fetch.cache.size = "20Mi";
  fetch.tasks = [
    "cd /mnt/brigade/cache",
    "if [ -f packages ]; then echo from the cache; else echo downloading; echo all > packages; fi",
  ];
  fetch.run();
});
