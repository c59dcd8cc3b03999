const { test } = require("brigade/test");
test("one", () => {});
require("./none");
