const { events } = require("brigadier");
events.on("exec", () => console.log("exec still runs"));
events.on("error", (e) => console.log("error:", e.cause.reason.message));
(async () => { throw new Error("while loading"); })();
