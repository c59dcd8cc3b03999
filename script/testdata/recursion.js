const { events } = require("brigadier");
function deep(n) { return deep(n + 1) + 1; }
events.on("exec", () => deep(0));
events.on("error", (e) => console.log("error:", e.cause.reason.message));
