const { events } = require("brigadier");
events.on("exec", () => {
  setImmediate(() => { console.log("4 immediate"); setTimeout(() => console.log("5 timer"), 0); });
  Promise.resolve().then(() => { console.log("2 promise"); process.nextTick(() => console.log("3 tick after the promises")); });
  process.nextTick(() => console.log("1 tick"));
  console.log("0 handler");
});
