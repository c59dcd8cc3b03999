// Two jobs, the second after the first.
const { events, Job, Group } = require("brigadier");

events.on("exec", (e, project) => {
  const sayHello = new Job("say-hello", "alpine:3.20", [`echo "Hello, ${project.name}"`]);
  const sayGoodbye = new Job("say-goodbye", "alpine:3.20", [`echo "Goodbye, ${project.name}"`]);

  Group.runEach([sayHello, sayGoodbye]);
});
