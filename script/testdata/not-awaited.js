const { events, Job } = require("brigadier");
events.on("exec", () => {
  new Job("first", "img", ["meet 2", "wait second"]).run();
  new Job("second", "img", ["meet 2", "print x"]).run();
});
events.on("after", (e) => console.log("after comes last"));
