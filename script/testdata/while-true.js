// turn: 100ms
const { events } = require("brigadier");
events.on("exec", () => {
  while (true) {}
});
events.on("error", () => console.log("never"));
