const { test, fire } = require("brigade/test");
test("it runs", async () => (await fire()).succeeded());
