// event: ping
const { events } = require("brigadier");
events.on("after", (e) => console.log("after", e.cause.event.type));
