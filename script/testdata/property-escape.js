const { events } = require("brigadier");
events.on("exec", () => {
  console.log(/^\p{Lu}/u.test("A") === true ? "works" : "differs");
});
