const { events, Job } = require("brigadier");
events.on("exec", () => { new Job("breaks", "img", ["fail 2"]).run(); });
events.on("error", (e) => console.log("error handler"));
events.on("after", () => console.log("never"));
