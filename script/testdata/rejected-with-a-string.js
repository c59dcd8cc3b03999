const { events } = require("brigadier");
events.on("exec", () => Promise.reject("just text"));
events.on("error", (e) => console.log(typeof e.cause.reason, e.cause.reason));
