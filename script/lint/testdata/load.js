const { Job } = require("brigadier");
new Job("at-load", "alpine:3.20", ["true"]).run();
