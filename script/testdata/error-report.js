const { ErrorReport } = require("brigadier");
const r = new ErrorReport({ type: "exec" }, "why");
console.log(JSON.stringify(r));
