// On push: test, then build and push an image with Docker inside the job. When
// the registry tells that the image has arrived: a message to Slack.
const { events, Job, Group } = require("brigadier");

const registry = "acme.azurecr.io";

events.on("push", (e, project) => {
  const test = new Job("test", "golang:1.26");
  test.tasks = ["cd /src", "ls Dockerfile", "echo tests pass"];

  const image = `${registry}/app:${e.revision.commit || "latest"}`;
  const build = new Job("build", "docker:dind");
  build.privileged = true; // a Docker daemon of its own
  build.env = {
    DOCKER_DRIVER: "overlay",
    REGISTRY_USER: project.secrets.registryUser,
    REGISTRY_PASSWORD: project.secrets.registryPassword,
  };
  build.tasks = [
    "dockerd-entrypoint.sh &",
    "until docker info >/dev/null 2>&1; do sleep 1; done",
    "cd /src",
    'echo "$REGISTRY_PASSWORD" | docker login -u "$REGISTRY_USER" --password-stdin',
    `docker build -t ${image} .`,
    `docker push ${image}`,
  ];

  const pipeline = new Group();
  pipeline.add(test);
  pipeline.add(build);
  pipeline.runEach();
});

events.on("image_push", (e, project) => {
  const push = JSON.parse(e.payload);
  const slack = new Job("slack-notify", "technosophos/slack-notify:latest", ["/slack-notify"]);
  slack.env = {
    SLACK_WEBHOOK: project.secrets.slackWebhook,
    SLACK_USERNAME: "brigade",
    SLACK_TITLE: `${push.target.repository}:${push.target.tag} is there`,
    SLACK_MESSAGE: `${push.request.host} took ${push.target.size} bytes as ${push.target.digest}`,
    SLACK_COLOR: "#0000ff",
  };
  slack.run();
});
