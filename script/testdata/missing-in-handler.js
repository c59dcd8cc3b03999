const { events } = require("brigadier");
events.on("exec", () => { require("brigadeir"); });
