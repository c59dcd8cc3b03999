// name: /etc/brigade/script.js
console.log(require("./helper").where, require(".").index);
try { require("/etc/passwd"); } catch (e) { console.log(e.code); }
try { require("../golden_test.go"); } catch (e) { console.log(e.code); }
require("./broken");
