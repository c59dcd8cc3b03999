import brigadier, { events, Job as BaseJob } from "@brigadecore/brigadier";
import type { Nothing } from "./nothing";

enum Level { Low = 1, High }
namespace Names { export const prefix = "ts"; }
abstract class Step<T> extends BaseJob {
  declare extra: T;
  static count = 0;
  readonly when: Date = new Date(0);
  constructor(private readonly label: string, public level?: Level) { super(`${Names.prefix}-${label}`, "img", [`print ${label}`]); Step.count++; }
  abstract describe(): string;
}
class Real extends Step<Nothing> { describe() { return `${this.name} ${Level[this.level!]} ${this.when.getTime()}`; } }

events.on("exec", async (e, p) => {
  const step = new Real("x", Level.High);
  console.log(step.describe(), Step.count, (brigadier as any).events === events);
  const out = (await step.run()) satisfies object;
  console.log(String(out).trim(), e?.nope?.deep ?? "default");
});
export {};
