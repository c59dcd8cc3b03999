exports.name = "lib";
exports.again = require("..//lib");
exports.fail = function fail() {
  throw new Error("in a module");
};
