// abort: now
const { events } = require("brigadier");
events.on("exec", () => {
  setTimeout(() => console.log("never"), 5000);
  console.log("now");
});
events.on("error", () => console.log("never"));
events.on("after", () => console.log("never"));
