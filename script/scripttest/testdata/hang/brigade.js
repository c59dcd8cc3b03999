const { events } = require("brigadier");
events.on("loop", () => { for (;;); });
events.on("wait", async () => { await new Promise(() => {}); });
