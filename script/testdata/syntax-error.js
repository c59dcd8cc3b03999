const { events } = require("brigadier");
events.on("exec", () => {
  const a = [1, 2;
});
