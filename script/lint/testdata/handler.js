const { events } = require("brigadier");
events.on("exec");
