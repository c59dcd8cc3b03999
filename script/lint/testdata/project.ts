// events: push
// secret: TOKEN
// secret: deployKey
import { events, Job, type Project } from "brigadier";

interface Settings {
  deep: boolean;
}

events.on("push", async (e, project: Project) => {
  const job: Job = new Job("deploy", "alpine:3.20", ["true"]);
  job.env = { A: project.secrets.TOKEN, B: project.secrets.deploykey, C: project.secrets.other };
  job.privileged = true;
  job.docker.enabled = true;
  job.run();
  await new Job("Wrong name", "alpine", ["true"] as string[]).run();
});

const handler = async (e: unknown, p: Project): Promise<Settings> => {
  console.log(p.secrets.none);
  return { deep: true };
};
events.on("push", handler as any);
