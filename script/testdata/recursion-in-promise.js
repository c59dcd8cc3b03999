const { events } = require("brigadier");
const deep = (n) => deep(n + 1) + 1;
events.on("exec", async () => { await null; deep(0); });
