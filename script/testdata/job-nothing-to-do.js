const { events, Job } = require("brigadier");
events.on("exec", () => new Job("empty").run().catch(err => console.log(err.message)));
