// event: cloudevent   also: com.example.made
const { events } = require("brigadier");
events.on("com.example.made", (e) => console.log("handled", e.type));
events.on("after", () => console.log("after"));
