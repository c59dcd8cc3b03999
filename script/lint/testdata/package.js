const { events } = require("brigadier");
require("left-pad");
