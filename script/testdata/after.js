// payload: the payload
const { events, Job } = require("brigadier");
events.on("exec", () => console.log("exec"));
events.on("after", (e, p) => {
  console.log(JSON.stringify(Object.keys(e)), e.type, e.provider, e.buildID, e.workerID, JSON.stringify(e.revision));
  console.log(e.cause.trigger, e.cause.event.type, e.cause.event.payload, e.payload, e.cause.reason, p.name);
});
