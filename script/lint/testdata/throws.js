const { events } = require("brigadier");

events.onn("exec", () => {});
