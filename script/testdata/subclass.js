const { events, Job, Group } = require("brigadier");
class Build extends Job {
  constructor(name) {
    super(name, "golang:1", ["meet 2", ...(name === "one" ? ["wait two"] : []), "print built " + name]);
    this.env.CGO_ENABLED = "0";
  }
  async run() {
    const r = await super.run();
    this.isJob = this instanceof Job;
    return r.toString().trim();
  }
}
function Old(name) { return Reflect.construct(Job, [name, "img", ["print old"]], Old); }
Old.prototype = Object.create(Job.prototype);
events.on("exec", async () => {
  const builds = [new Build("one"), new Build("two")];
  console.log((await Group.runAll(builds)).join(), builds.map(b => b.isJob).join());
  console.log((await new Old("old").run()).toString().trim());
});
