package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/serving"
)

// What no script and no job of another project may come to see.
const (
	secretOfA      = "alpha-secret-4f1d9c"
	fileOfA        = "alpha-file-8b2e7a"
	secretOfServer = "server-secret-c93a51"
	envOfServer    = "server-environment-77d0e2"
)

// projectA has a secret, which a job of it holds in its environment, in a file
// of its cache, of the storage of its build and of /tmp, while B looks around.
const projectA = `
const { events, Job } = require("brigadier");
events.on("go", async (e, project) => {
  const job = new Job("unit", "alpine:3.20");
  job.env = { TOKEN: project.secrets.token, FILE: "` + fileOfA + `", STOP: JSON.parse(e.payload).stop };
  job.cache.enabled = job.storage.enabled = true;
  job.volumes = [{ name: "stop", hostPath: { path: JSON.parse(e.payload).dir } }];
  job.volumeMounts = [{ name: "stop", mountPath: "/stop" }];
  job.tasks = [
    "for at in /mnt/brigade/cache /mnt/brigade/share /tmp; do echo \"$FILE\" > $at/secret-file; done",
    "touch /stop/holding",
    "for i in $(seq 600); do [ -e /stop/over ] && exit 0; sleep 0.1; done",
  ];
  await job.run();
});
`

// projectB looks everywhere it can think of, and prints what it finds.
const projectB = `
const { events, Job } = require("brigadier");
const fs = require("fs");

function look(path) {
  try {
    if (fs.statSync(path).isDirectory()) return fs.readdirSync(path).join(" ");
    return fs.readFileSync(path, "latin1");
  } catch (err) {
    return String(err);
  }
}

events.on("go", async (e, project) => {
  console.log("SCRIPT ENV", JSON.stringify(process.env));
  console.log("SCRIPT PROJECT", JSON.stringify(project), JSON.stringify(e));
  const { data, server, worker } = JSON.parse(e.payload);
  for (const path of ["here", "link", process.env.BRIGADE_WORKSPACE + "/link", process.env.BRIGADE_WORKSPACE + "/linked/token", data + "/token", data + "/brigade.db", data + "/brigade.db-wal", data, "/proc/self/environ", "/proc/self/root" + data + "/token",
      "/proc/" + process.ppid + "/environ", "/proc/" + server + "/environ", "/etc/passwd", "../../../../../../../../etc/passwd", data + "/process", data + "/source"]) {
    console.log("SCRIPT FS", path, look(path));
  }
  const job = new Job("unit", "alpine:3.20");
  job.cache.enabled = job.storage.enabled = true;
  job.env = { DATA: data, SERVER: String(server), NEEDLES: JSON.parse(e.payload).needles };
  job.tasks = [
    "set +e",
    "echo JOB ENV; env",
    "echo JOB PROCESSES; for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>&1; tr '\\0' ' ' < $p/cmdline 2>&1; done",
    "echo JOB SERVER; cat /proc/$SERVER/environ /proc/$SERVER/root$DATA/token /proc/$SERVER/cwd/token 2>&1",
    "echo JOB PLACES; ls -la $DATA /mnt/brigade/cache /mnt/brigade/share /tmp 2>&1; cat $DATA/token /mnt/brigade/cache/* /mnt/brigade/share/* /tmp/* 2>&1",
    "echo JOB DATABASE; cat $DATA/brigade.db $DATA/brigade.db-wal 2>&1 | tr -cd '[:print:]\\n' | head -c 200000",
    "echo JOB OTHERS; find / -xdev -name secret-file -exec cat {} + 2>/dev/null; cat $DATA/../../*/secret-file 2>/dev/null",
    "kill -0 $SERVER 2>&1 && echo JOB CAN SIGNAL THE SERVER",
    "echo JOB LINKS; ls -l; cat link linked/token 2>&1",
    "echo JOB OVER",
  ];
  await job.run();
  console.log("SCRIPT OVER");
});
`

func TestProjectsAreKeptApart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the process runner isolates jobs on Linux only")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := visibleDir(t)
	s, err := serving.New(serving.Options{
		Program: program, Dir: dir, Runner: "process", Args: []string{"-v"},
		Env: []string{"BRIGADE_GITHUB_SECRET=" + secretOfServer, "SOMETHING=" + envOfServer, "AWS_SECRET_ACCESS_KEY=" + envOfServer},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})
	token, err := os.ReadFile(filepath.Join(s.Data, "token"))
	if err != nil {
		t.Fatal(err)
	}
	stop := filepath.Join(dir, "stop")
	if err := os.Mkdir(stop, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{"acme/a": projectA, "acme/b": projectB} {
		p := brigade.NewProject(name)
		p.DefaultScript, p.AllowHostMounts = script, name == "acme/a"
		if name == "acme/b" {
			p.Repo.CloneURL = repositoryOfLinks(t, s.Data)
		}
		if name == "acme/a" {
			p.Secrets = map[string]any{"token": secretOfA}
		}
		if err := s.PutProject(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	a := event(ctx, t, s, "acme/a", map[string]any{"dir": stop})
	waitFor(ctx, t, "A's job", func() bool {
		_, err := os.Stat(filepath.Join(stop, "holding"))
		if err != nil && ended(ctx, t, s, a) {
			t.Skipf("SKIPPED, jobs cannot be isolated here:\n%s", logsOf(ctx, t, s, a))
		}
		return err == nil
	})
	b := event(ctx, t, s, "acme/b", map[string]any{"data": s.Data, "server": s.PID()})
	waitFor(ctx, t, "B", func() bool { return ended(ctx, t, s, b) })
	seen := logsOf(ctx, t, s, b)
	if err := os.WriteFile(filepath.Join(stop, "over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, "A", func() bool { return ended(ctx, t, s, a) })
	for _, want := range []string{"SCRIPT ENV", "SCRIPT FS", "SCRIPT FS here may be read", "JOB ENV", "link ->", "JOB OVER", "SCRIPT OVER"} {
		if !strings.Contains(seen, want) {
			t.Errorf("B did not get to %q", want)
		}
	}
	for what, secret := range map[string]string{
		"a secret of A": secretOfA, "a file of A": fileOfA, "the server's secret": secretOfServer,
		"the server's environment": envOfServer, "the server's token": strings.TrimSpace(string(token)),
		"the server's processes": "JOB CAN SIGNAL",
	} {
		if at := strings.Index(seen, secret); at >= 0 {
			t.Errorf("B can see %s: …%q…", what, seen[max(0, at-300):min(len(seen), at+100)])
		}
	}
	if strings.Contains(seen, "SCRIPT FS /etc/passwd root:") {
		t.Error("a script can read files of the machine")
	}
	for line := range strings.Lines(seen) {
		if rest, found := strings.CutPrefix(line, "SCRIPT ENV "); found {
			checkScriptEnv(t, rest)
		}
	}
	log, err := os.ReadFile(s.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{secretOfA, fileOfA, secretOfServer, strings.TrimSpace(string(token))} {
		if strings.Contains(string(log), secret) {
			t.Errorf("the server's log holds %q", secret)
		}
	}
}

// visibleDir makes a directory that is not below those which no job sees
// anyway, such as /tmp.
func visibleDir(t *testing.T) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(filepath.Join(root, "bin"), "isolation-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// repositoryOfLinks makes a repository whose files lead to the server's. It is
// cloned to data/source/<process>/<clone>.
func repositoryOfLinks(t *testing.T, data string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), []byte("may be read"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "../../../token", "linked": "../../..", "absolute": filepath.Join(data, "token")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch", "master", dir}, {"-C", dir, "add", "."},
		{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "links"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Skipf("git: %v: %s", err, out)
		}
	}
	return dir
}

// checkScriptEnv: process.env of a server's script has only what Brigade sets.
func checkScriptEnv(t *testing.T, text string) {
	t.Helper()
	var env map[string]string
	if err := json.Unmarshal([]byte(text), &env); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for name := range env {
		if !strings.HasPrefix(name, "BRIGADE_") && name != "CI" {
			t.Errorf("process.env has %s", name)
		}
	}
	if !slices.Contains([]string{"acme/b", brigade.ProjectID("acme/b")}, env["BRIGADE_PROJECT_ID"]) {
		t.Errorf("process.env is %v", env)
	}
}

// event starts a build and returns its ID.
func event(ctx context.Context, t *testing.T, s *serving.Server, project string, payload map[string]any) string {
	t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	in := map[string]any{"type": "go", "provider": "test", "payload": string(text)}
	if err := s.Call(ctx, http.MethodPost, "/api/projects/"+url.PathEscape(project)+"/events", in, &answer); err != nil {
		t.Fatal(err)
	}
	build := answer
	if inner, ok := answer["build"].(map[string]any); ok {
		build = inner
	}
	id, _ := build["id"].(string)
	if id == "" {
		t.Fatalf("no build: %v", answer)
	}
	return id
}

func ended(ctx context.Context, t *testing.T, s *serving.Server, build string) bool {
	t.Helper()
	var b brigade.Build
	if err := s.Call(ctx, http.MethodGet, "/api/builds/"+build, nil, &b); err != nil {
		t.Fatal(err)
	}
	return b.State.Ended()
}

// logsOf is all that a build and its jobs have printed.
func logsOf(ctx context.Context, t *testing.T, s *serving.Server, build string) string {
	t.Helper()
	paths := []string{"/api/builds/" + build + "/logs?format=text"}
	jobs, err := s.Jobs(ctx, build)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		paths = append(paths, "/api/jobs/"+j.ID+"/logs?format=text")
	}
	all := ""
	for _, path := range paths {
		var text string
		if err := s.Call(ctx, http.MethodGet, path, nil, &text); err != nil {
			t.Fatal(err)
		}
		all += text
	}
	return all
}

func waitFor(ctx context.Context, t *testing.T, what string, over func() bool) {
	t.Helper()
	for !over() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not get there: %v", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
