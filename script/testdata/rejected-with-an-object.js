const { events } = require("brigadier");
events.on("exec", () => Promise.reject({ status: 404 }));
events.on("error", (e) => console.log(e.cause.reason.status));
