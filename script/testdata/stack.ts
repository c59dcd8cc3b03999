import { events } from "brigadier";

type Step = {
  name: string;
};

function fail(step: Step): never {
  // a line that goes away
  throw new Error(`step ${step.name}`);
}

events.on("exec", (): void => {
  const all: Step[] = [{ name: "one" }];
  all.forEach((s: Step) => fail(s));
});
