const { events } = require("brigadier");
events.on("exec", () => console.log(1));
events.on("exec", async () => { await null; console.log("1b"); });
events.once("exec", () => console.log(2));
events.prependListener("exec", () => console.log(0));
events.addListener("exec", () => console.log(3));
