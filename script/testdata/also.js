// event: cloudevent   also: Microsoft.Storage.BlobCreated   also: nobody
const { events } = require("brigadier");
events.on("cloudevent", (e) => console.log("one", e.type));
events.on("Microsoft.Storage.BlobCreated", (e) => console.log("two", e.type, e.provider));
events.on("after", (e) => console.log("after", e.cause.event.type));
