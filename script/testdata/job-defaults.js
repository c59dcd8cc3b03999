const { events, Job } = require("brigadier");
const j = new Job("defaults");
for (const k of Object.keys(j)) console.log(k, j[k] instanceof Map ? "Map" : JSON.stringify(j[k]));
console.log("nodeSelector", j.host.nodeSelector instanceof Map, "podName", JSON.stringify(j.podName), Job.MAX_JOB_NAME_LENGTH);
const full = new Job("full", "img", ["a", "b"], true);
console.log(full.image, full.tasks.join(), full.imageForcePull);
