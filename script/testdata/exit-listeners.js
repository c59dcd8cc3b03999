const { events } = require("brigadier");
process.on("beforeExit", (code) => console.log("beforeExit", code));
process.on("exit", (code) => console.log("exit", code));
events.on("exec", () => console.log("exec"));
events.on("after", () => console.log("after"));
