const { events, Job } = require("brigadier");
const r = await new Job("first", "img", ["print loaded"]).run();
events.on("exec", () => console.log("exec after", r.toString().trim()));
