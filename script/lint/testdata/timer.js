const { events } = require("brigadier");
events.on("exec", () => {});
setInterval(() => {}, 1000);
