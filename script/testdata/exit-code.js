const { events } = require("brigadier");
events.on("exec", () => { process.exitCode = 2; });
events.on("after", (e) => console.log("after", e.cause.trigger));
events.on("error", () => console.log("never"));
