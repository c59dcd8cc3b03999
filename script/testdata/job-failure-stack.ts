import { events, Job } from "@brigadecore/brigadier";

interface Options { name: string }

async function deploy(o: Options): Promise<void> {
  await new Job(o.name, "img", ["fail 1"]).run();
}

events.on("exec", async () => {
  await deploy({ name: "deploy" });
});
