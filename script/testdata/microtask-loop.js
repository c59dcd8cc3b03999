// turn: 100ms
const { events } = require("brigadier");
events.on("exec", () => { const again = () => Promise.resolve().then(again); again(); });
