const { events } = require("brigadier");
events.on("exec", async () => { throw new Error("first"); });
events.on("error", async () => { console.log("error once"); throw new Error("second"); });
