// event: ping
const { events } = require("brigadier");
events.removeAllListeners("ping");
events.on("ping", () => console.log("only mine"));
