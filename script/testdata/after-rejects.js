const { events } = require("brigadier");
events.on("exec", () => {});
events.on("after", async () => { throw new Error("in after"); });
events.on("error", (e) => console.log("error handler:", e.cause.reason.message));
