// Secrets belong to the project. A script hands a job those it needs; in every
// log they are masked.
const { events, Job } = require("brigadier");

events.on("exec", async (e, project) => {
  const login = new Job("login", "alpine:3.20");
  login.env = {
    USER_NAME: "robot",
    PASSWORD: project.secrets.password,
    EMPTY: null, // the empty string
  };
  login.tasks = [
    'test -n "$PASSWORD" && test -z "$EMPTY"',
    'echo "$USER_NAME logs in with $PASSWORD"',
    'printf "%s" "$PASSWORD" | base64',
  ];
  await login.run();
  console.log(`and never in the worker's log: ${project.secrets.password}`);
});
