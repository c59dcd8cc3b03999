// wall: 700ms
const { events, Job } = require("brigadier");
events.on("exec", () => new Job("hangs", "img", ["hang"]).run());
events.on("error", () => console.log("never"));
