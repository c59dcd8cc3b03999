const { events } = require("brigadier");
let optional;
try { optional = require("not-there"); } catch (err) { console.log(err.code, err.message.split("\n")[0]); }
events.on("exec", () => console.log("goes on", optional));
