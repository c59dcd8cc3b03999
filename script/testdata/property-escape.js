// The engine has no property escapes of its own.
const { events } = require("brigadier");
events.on("exec", () => console.log(/^\p{Lu}/u.test("Éa") && !/^\p{Lu}/u.test("éa") ? "works" : "differs"));
