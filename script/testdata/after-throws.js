const { events } = require("brigadier");
events.on("exec", () => {});
events.on("after", () => { throw new Error("in after"); });
events.on("error", () => console.log("never"));
