const { events } = require("brigadier");
events.on("exec", () => {
  Promise.reject(new Error("first"));
  Promise.reject(new Error("second"));
  setTimeout(() => { Promise.reject(new Error("third")); }, 1);
});
events.on("error", (e) => console.log("error:", e.cause.reason.message));
events.on("after", () => console.log("never"));
