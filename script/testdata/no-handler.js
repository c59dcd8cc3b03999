// event: push
const { events } = require("brigadier");
events.on("exec", () => console.log("never"));
events.on("after", () => console.log("never"));
