// What a job prints is its result; the next one gets it as an environment
// variable. What is not printed but decided is best printed as JSON.
const { events, Job } = require("brigadier");

events.on("exec", async () => {
  const version = new Job("version", "alpine:3.20", ["echo 1.2.3"]);
  version.env = { DUMMY_OUTPUT: "1.2.3" };
  const result = await version.run();

  const facts = new Job("facts", "alpine:3.20", [`echo '{"os": "linux", "tags": ["a", "b"]}'`]);
  facts.env = { DUMMY_OUTPUT: '{"os": "linux", "tags": ["a", "b"]}' };
  const { tags } = (await facts.run()).data; // the same, parsed

  const use = new Job("use", "alpine:3.20");
  use.env = { VERSION: result.toString().trim(), TAGS: tags.join("-") };
  use.tasks = ['echo "releasing $VERSION with tags $TAGS"'];
  await use.run();

  console.log("the log again: " + (await version.logs()).trim());
});
