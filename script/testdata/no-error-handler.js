const { events } = require("brigadier");
events.on("exec", async () => { throw new TypeError("nobody hears it"); });
