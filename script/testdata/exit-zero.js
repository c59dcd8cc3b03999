const { events } = require("brigadier");
events.on("exec", () => { setTimeout(() => console.log("never"), 10); process.exit(0); });
events.on("after", () => console.log("never"));
