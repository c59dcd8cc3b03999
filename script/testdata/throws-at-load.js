const { events } = require("brigadier");

function configure(options) {
  return options.missing.name;
}

configure({});
events.on("error", () => console.log("never"));
