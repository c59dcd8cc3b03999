import brigadier from "brigadier";
import * as all from "brigadier";
brigadier.events.on("exec", () => console.log(all.default === brigadier, Object.keys(brigadier).length));
