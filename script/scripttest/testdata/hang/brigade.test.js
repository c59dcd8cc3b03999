// limit: 15s
const { test, fire } = require("brigade/test");
test("never settles", () => new Promise(() => {}));
test("waits for a timer", () => new Promise((resolve) => setTimeout(resolve, 600000)));
test("does not yield", () => { for (;;); });
test("ends the program", () => process.exit(3));
test("the script does not yield", async () => (await fire("loop")).failed("without yielding"));
test("the script waits for nothing", async () => (await fire("wait")).succeeded());
test("is run all the same", () => {});
