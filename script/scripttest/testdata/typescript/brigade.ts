import { events, Job } from "brigadier";
import { image } from "./images";
events.on("exec", async (): Promise<void> => {
  await new Job("build", image("go"), ["make"]).run();
});
