// events: push, pull_request, pull_request:, pull_request:opened, pull_request:closed, release:, release:published, slack:
const { events, fire } = require("brigadier");

events.on("pull-request", () => {});
events.on("PullRequest", () => {});
events.on("psuh", () => {});
events.on("push", () => {});
events.on("pull_request:open", () => {});
events.on("pull_request:closed", () => {});
events.on("pull_request:whatever", () => {});
events.on("release:publised", () => {});
events.on("slack:deploy", () => {});
events.on("com.example.order.placed", () => {});
events.on("deploy", () => events.emit("nightly"));
events.on("nightly", () => {});
events.on("erorr", () => {});
events.once("after", () => {});
events.on("later", (e, p) => fire({ type: "again" }, p));
events.on("again", () => {});
events.on(["list"].join(), () => {});
require("events").prototype.on.call(new (require("events"))(), "push", () => {});
