import { events, Job } from "brigadier";
const r: { toString(): string } = await new Job("first", "img", ["print loaded"]).run();
events.on("exec", () => console.log("exec after", r.toString().trim()));
