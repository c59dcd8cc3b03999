const a = require("brigadier"), b = require("@brigadecore/brigadier"), c = require("@azure/brigadier"), d = require("brigade");
console.log(a === b, b === c, c === d);
console.log(Object.keys(a).join(" "));
