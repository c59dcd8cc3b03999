// event: issue_comment:created  payload: {"body":{"comment":{"body":" /brig run\n"}}}
const { events } = require("brigadier");
const { Check } = require("@brigadecore/brigade-utils");
events.on("issue_comment:created", (e, p) => {
  Check.handleIssueComment(e, p, (e2, p2) => console.log("runs", e2 === e, p2 === p));
  Check.handleIssueComment({ payload: '{"body":{"comment":{"body":"nice work"}}}' }, p, () => console.log("never"));
  Check.handleIssueComment({ payload: "no json" }, p, () => console.log("never"));
});
