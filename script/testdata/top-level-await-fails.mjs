import { events, Job } from "brigadier";

await new Job("first", "img", ["fail 1"]).run();
events.on("exec", () => console.log("never"));
