const { events } = require("brigadier");
const _ = require("lodash");
