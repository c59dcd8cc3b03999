const { events } = require("brigadier");
events.on("exec", () => Promise.reject());
events.on("error", (e) => console.log(typeof e.cause.reason));
