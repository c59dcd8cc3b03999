const { Job } = require("brigadier");
exports.jobs = () => [new Job("Unit", "alpine:3.20", ["true"])];
