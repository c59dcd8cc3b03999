brigade = require("brigadier");
with ({ word: "with" }) { console.log(word); }
var undefinedLater = typeof later; later = 010;
console.log(undefinedLater, later, this === module.exports, arguments.length >= 5);
brigade.events.on("exec", function () { console.log(this === brigade.events); });
if (later) return;
console.log("never");
