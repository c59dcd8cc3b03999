package main

import (
	"strings"
	"testing"
)

const asksTheProject = `
const { events, Job } = require("brigadier");
events.on("push", async (e, project) => {
  const job = new Job("build", "alpine:3.20", ["make"]);
  job.env = { TOKEN: project.secrets.TOKEN, OTHER: project.secrets.OTHER };
  job.privileged = true;
  job.docker = { enabled: true };
  await job.run();
});
`

// A project says what it allows and which secrets it has, here and on a server,
// which shows no values.
func TestLintOfAProject(t *testing.T) {
	for name, prepare := range map[string]func(*shell){
		"this machine": func(sh *shell) { sh.stored() },
		"a server": func(sh *shell) {
			sh.serveHere()
			sh.file("project.yaml", "kind: Project\nname: acme/app\nsecrets: {TOKEN: s3cret-value}\n")
			sh.ok("project", "apply", "-f", "project.yaml")
		},
	} {
		t.Run(name, func(t *testing.T) {
			sh := newShell(t)
			prepare(sh)
			sh.file("brigade.js", asksTheProject)
			if out := sh.ok("lint", "--strict"); out != "Nothing was found.\n" {
				t.Errorf("without the project:\n%s", out)
			}
			out, errs, code := sh.brig("lint", "acme/app", "--strict", "--columns", "LEVEL,CODE,MESSAGE")
			if code != 1 || !strings.Contains(out, `no secret "OTHER"`) || strings.Contains(out, `secret "TOKEN"`) || !strings.Contains(out, "warning  forbidden       the project does not allow the engine's socket in jobs: the job fails") || strings.Contains(out, "handler-fails") || strings.Contains(out, "s3cret") {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			sh.refused(4, `no project "acme/nothing"`, "lint", "acme/nothing")
			if text := sh.ok("__complete", "lint", ""); !strings.Contains(text, "acme/app") {
				t.Errorf("completion: %s", text)
			}
		})
	}
}
