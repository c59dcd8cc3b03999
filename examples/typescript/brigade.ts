// TypeScript without a compiler to install: types are for you and your editor,
// `brig init --ts` writes them out. They are stripped, not checked, when it runs.
import { events, Job, Group } from "brigadier";
import type { BrigadeEvent, Project } from "brigadier";
import { matrix, type Target } from "./targets";

class Compile extends Job {
  constructor(private readonly target: Target) {
    super(`compile-${target.os}-${target.arch}`, "golang:1.26");
    this.env = { GOOS: target.os, GOARCH: target.arch };
    this.tasks = ['echo "compiling for $GOOS on $GOARCH"'];
  }

  label(): string {
    return `${this.target.os}/${this.target.arch}`;
  }
}

events.on("exec", async (e: BrigadeEvent, project: Project): Promise<void> => {
  const jobs: Compile[] = matrix.map((target) => new Compile(target));
  await Group.runAll(jobs);
  console.log(`compiled ${jobs.map((job) => job.label()).join(", ")} at ${e.revision?.ref ?? "no ref"}`);
});
