import { events, Job } from "brigadier";
import * as all from "brigadier";
export const name = "esm";
export default () => {};
events.on("exec", async () => {
  console.log(all.Job === Job, typeof require, typeof import.meta.url);
  const { Group } = await import("brigadier");
  console.log((await Group.runEach([new Job("a", "img", ["print from esm"])])).join("").trim());
});
