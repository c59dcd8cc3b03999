// event: ping
const { events } = require("brigadier");
events.on("ping", () => console.log("mine too"));
