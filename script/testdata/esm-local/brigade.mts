import { events } from "brigadier";
import total, { twice } from "./math.js";
import data from "./data.json" with { type: "json" };
import { config } from "./config.mjs";
export { config as again } from "./config.mjs";
events.on("exec", async () => {
  const late = await import("./late.mjs");
  console.log(twice(4), total([1, 2]), data.list.length, late.value, late.default(), config.from);
});
