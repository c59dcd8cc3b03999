// The pipeline of the fault test: jobs one after another, side by side and not
// awaited, which pass results on. Every job writes down that it started and
// ended, in a file that outlives everything.
const { events, Job } = require("brigadier");

function step(e, name, input) {
  const { n, journal, mounted, pause } = settings(e);
  const at = mounted ? "/journal" : journal;
  const job = new Job(name, "alpine:3.20");
  job.env = { BUILD: e.buildID, INPUT: String(input), JOURNAL: at + "/journal" };
  job.useSource = false;
  job.tasks = [
    `echo "$BUILD ${name} start" >> "$JOURNAL"`,
    `sleep ${((n * 7 + name.length * 3) % 10) * pause / 10}`,
    `echo "value=$((INPUT + ${name.length}))" > "$BRIGADE_OUTPUT"`,
    `echo "${name} got $INPUT"`,
    `echo "$BUILD ${name} end" >> "$JOURNAL"`,
  ];
  if (mounted) {
    job.volumes = [{ name: "journal", hostPath: { path: journal } }];
    job.volumeMounts = [{ name: "journal", mountPath: "/journal" }];
  }
  return job;
}

function settings(e) {
  const payload = JSON.parse(e.payload);
  return payload.data || payload;
}

function check(what, is, want) {
  if (is !== want) throw new Error(`WRONG RESULT of ${what}: ${JSON.stringify(is)}, not ${JSON.stringify(want)}`);
}

async function pipeline(e) {
  const first = await step(e, "first", settings(e).n).run();
  check("first's output", first.toString(), `first got ${settings(e).n}\n`);
  const start = Number(first.outputs.value);
  check("first", start, settings(e).n + 5);
  const sides = await Promise.all(["left", "middle", "right"].map((name) => step(e, name, start).run()));
  const sum = sides.reduce((total, r) => total + Number(r.outputs.value), 0);
  check("the sides", sum, 3 * start + 4 + 6 + 5);
  step(e, "aside", sum).run(); // nobody waits for it
  const last = await step(e, "last", sum).run();
  check("last's output", last.toString(), `last got ${sum}\n`);
  check("last", Number(last.outputs.value), sum + 4);
}

events.on("fault.test", pipeline);
events.on("simpleevent", pipeline);
