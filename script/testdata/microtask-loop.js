// turn: 2s
const { events } = require("brigadier");
events.on("exec", () => { const again = () => Promise.resolve().then(again); again(); });
