const { events } = require("brigadier");
events.on("exec", async () => {
  const p = Promise.reject(new Error("handled in the same turn"));
  await null;
  p.catch(err => console.log("caught", err.message));
});
