const { events } = require("brigadier");
events.on("exec", (e, p) => {
  events.on("inner", () => console.log("inner"));
  console.log("outer", events.has("inner"), events.has("nope"));
  events.emit("inner", e, p);
});
