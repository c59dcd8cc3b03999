const { events, Job } = require("brigadier");

events.on("exec", () => {
