const { events } = require("brigadier");
events.on("exec", () => {
  setTimeout(() => { throw new Error("in a timer"); }, 1);
  setTimeout(() => console.log("never"), 20);
});
events.on("error", () => console.log("never"));
events.on("after", () => console.log("never"));
