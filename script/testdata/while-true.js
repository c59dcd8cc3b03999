// turn: 2s
const { events } = require("brigadier");
events.on("exec", () => {
  while (true) {}
});
events.on("error", () => console.log("never"));
