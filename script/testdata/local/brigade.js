const { events } = require("brigadier");
const lib = require("./lib"), data = require("./data.json"), typed = require("./lib/typed");
console.log(lib.name, lib.again === lib, data.n, typed.default(2), typed.Kind.B);
console.log(require("dep"), require("dep/sub"), require.resolve("./lib").endsWith("lib/index.js"), require.main === module, __filename.endsWith("brigade.js"), module.paths.length);
console.log(require("./lib/made").default);
events.on("exec", () => lib.fail());
