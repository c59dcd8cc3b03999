// payload: {"a":1}  secret: token=s3cret
const { events } = require("brigadier");
events.on("exec", (e, p) => {
  console.log(JSON.stringify(e));
  console.log(JSON.stringify(p));
  console.log(typeof e.payload, JSON.parse(e.payload).a);
});
