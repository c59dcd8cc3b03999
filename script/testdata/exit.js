const { events, Job } = require("brigadier");
events.on("exec", () => {
  try { console.log("leaving"); process.exit(3); console.log("never"); } finally { console.log("never"); }
});
events.on("after", () => console.log("never"));
