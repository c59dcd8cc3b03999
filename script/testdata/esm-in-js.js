import { events } from "brigadier";
events.on("exec", () => console.log("import in a .js file"));
