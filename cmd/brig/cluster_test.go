package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// inCluster has the shell work in a namespace of a real API server, where a
// controller runs builds and a node pretends to run pods.
func (sh *shell) inCluster(controller bool) (c *testcluster.Cluster, namespace string) {
	sh.t.Helper()
	c = testcluster.Shared(sh.t)
	namespace = c.Namespace(sh.t)
	sh.env["KUBECONFIG"], sh.env["BRIGADE_NAMESPACE"] = c.Kubeconfig(), namespace
	if controller {
		c.FakeNode(sh.t, testcluster.FakeNodeOptions{Run: testcluster.WorkersFate(fateOfWorkers)})
		sh.controller(c, namespace)
	}
	return c, namespace
}

// fateOfWorkers lets a worker pod print what it is.
func fateOfWorkers(labels map[string]string, image string) testcluster.Fate {
	f := testcluster.Fate{Log: "worker of " + labels["build"] + "\nTOKEN is s3cret-value\n", Nap: 100 * time.Millisecond}
	if strings.Contains(image, "broken") {
		f.Exit = 1
	}
	return f
}

func (sh *shell) controller(c *testcluster.Cluster, namespace string) {
	sh.t.Helper()
	dir := sh.t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	controller, err := app.NewController(ctx, app.ControllerOptions{
		ServerOptions: app.ServerOptions{
			Options: app.Options{Dirs: app.Dirs{State: dir, Cache: dir, Home: dir}, Grace: time.Second},
			API:     app.Listener{Address: "127.0.0.1:0"}, Drain: time.Second, Version: "test", MaxBuilds: 10,
		},
		Kube: cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: namespace}, Store: app.StoreMemory,
		Workers: app.WorkerPods{Image: "worker:1", ServiceAccount: "default"},
	})
	if err != nil {
		sh.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx) }()
	sh.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			sh.t.Error(err)
		}
		if err := controller.Close(); err != nil {
			sh.t.Error(err)
		}
	})
	select {
	case <-controller.Leading():
	case err := <-done:
		done <- err
		sh.t.Fatalf("the controller ended: %v", err)
	case <-time.After(2 * time.Minute):
		sh.t.Fatal("the controller does not lead")
	}
}

const clustered = `
const { events, Job } = require("brigadier");
const job = (name, fate) => {
  const j = new Job(name, "alpine:3.20", ["true"]);
  j.useSource = false;
  j.annotations = {};
  for (const key in fate) j.annotations["fake.brigade.sh/" + key] = fate[key];
  return j;
};
events.on("exec", async (e, p) => {
  console.log("payload " + e.payload);
  await job("first", { log: "first line 1\nfirst line 2 " + p.secrets.TOKEN + "\n", nap: "200ms" }).run();
  await job("second", { log: "second line 1\n", exit: e.payload == "fail" ? "3" : "0" }).run();
});
events.on("long", () => job("slow", { nap: "forever", log: "slow line\n" }).run());
`

func (sh *shell) clusteredProject() {
	sh.t.Helper()
	sh.file("project.yaml", "kind: Project\nname: acme/app\nsecrets:\n  TOKEN: s3cret-value\ndefaultScript: |\n  "+
		strings.ReplaceAll(clustered, "\n", "\n  ")+"\n---\nkind: Project\nname: acme/pods\nworker: {name: special}\nsecrets:\n  TOKEN: s3cret-value\n---\nkind: Project\nname: acme/broken\nworker: {name: broken}\n")
	sh.ok("project", "apply", "-f", "project.yaml")
}

func TestClusterRunAndLookAtIt(t *testing.T) {
	sh := newShell(t)
	c, namespace := sh.inCluster(true)
	sh.clusteredProject()
	if out := sh.ok("project", "list"); !strings.Contains(out, "acme/app") || !strings.HasPrefix(out, "NAME") {
		t.Errorf("projects:\n%s", out)
	}
	if text := c.Kubectl(t, "-n", namespace, "get", "secrets", "-l", "component=project", "-o", "name"); !strings.Contains(text, brigade.ProjectID("acme/app")) {
		t.Errorf("Secrets:\n%s", text)
	}
	sh.ok("secret", "set", "acme/app", "MORE", "--generate")
	if out := sh.ok("secret", "list", "acme/app", "-o", "name"); out != "MORE\nTOKEN\n" {
		t.Errorf("secrets: %q", out)
	}

	out, errs, code := sh.brig("run", "acme/app", "-i", "fail")
	lines := strings.Split(out, "\n")
	if code != 1 || len(lines) < 2 || !strings.HasPrefix(lines[0], `Event created. Waiting for worker pod named "brigade-worker-`) || !strings.HasPrefix(lines[1], "Build: ") ||
		!strings.Contains(out, "first | first line 1") || !strings.Contains(out, "exit code 3") || strings.Contains(out, "s3cret") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	id := strings.TrimSuffix(strings.Fields(lines[1])[1], ",")
	if out := sh.ok("build", "list", "acme/app"); !strings.Contains(out, id) || !strings.Contains(out, "Failed") {
		t.Errorf("builds:\n%s", out)
	}
	if out := sh.ok("build", "get", id[:20]); !strings.Contains(out, "second") || !strings.Contains(out, "job second") {
		t.Errorf("get:\n%s", out)
	}
	if out := sh.ok("build", "logs", id, "-j", "first"); out != "first line 1\nfirst line 2 ***\n" {
		t.Errorf("logs of a job: %q", out)
	}
	if out := sh.ok("build", "logs", id, "-f", "--grep", "line 1"); out != "first | first line 1\nsecond | second line 1\n" {
		t.Errorf("logs followed: %q", out)
	}
	out, errs, code = sh.brig("rerun", id, "--failed", "-i", "fine", "-o", "json")
	if code != 0 || !strings.Contains(out, `"succeeded"`) {
		t.Errorf("rerun: exit %d\n%s%s", code, out, errs)
	}
	rerun := decoded[[]brigade.Build](t, sh.ok("build", "list", "-c", "1", "-o", "json"))[0]
	if rerun.RerunOf != id || rerun.State != brigade.StateSucceeded {
		t.Errorf("rerun: %+v", rerun)
	}
	if out := sh.ok("event", "ls", "-o", "json"); !strings.Contains(out, `"payload": "fine"`) {
		t.Errorf("events:\n%s", out)
	}
	if _, errs, code := sh.brig("build", "logs", id); code != 0 || !strings.Contains(errs, "it has no pod") {
		t.Errorf("the log of a script without a pod: exit %d %s", code, errs)
	}
	sh.refused(4, "no init container", "build", "logs", id, "-i")
	sh.ok("build", "pin", id)
	sh.ok("build", "delete", id)
	sh.refused(4, "there is no build", "build", "get", id)
	if out, _, code := sh.brig("check"); code != 6 || !strings.Contains(out, "controller  yes") || !strings.Contains(out, "api         no") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	sh.refused(6, "no controller of Brigade runs", "dashboard", "--port", "0")
	sh.refused(6, "no controller of Brigade runs", "token", "list")
	sh.refused(2, "use brig dashboard", "open")
	sh.refused(2, "is about this machine", "run", "acme/app", "--runner", "docker")
	sh.refused(4, "did you mean acme/app?", "run", "acme/ap")
}

func TestClusterCancelAndWatch(t *testing.T) {
	sh := newShell(t)
	sh.inCluster(true)
	sh.clusteredProject()
	watched, watcher := &collected{}, sh.also()
	over := make(chan int, 1)
	go func() {
		over <- watcher.brigTo(watched, &collected{}, "build", "list", "-w", "--columns", "STATUS,TYPE")
	}()
	watched.await(t, "STATUS", 1)
	out := sh.ok("run", "acme/app", "-e", "long", "-b")
	id := strings.TrimSuffix(strings.Fields(strings.Split(out, "\n")[1])[1], ",")
	if !strings.Contains(out, "Build: "+id+", Worker: brigade-worker-"+id) {
		t.Errorf("in the background:\n%s", out)
	}
	seen, follower := &collected{}, sh.also()
	ended := make(chan int, 1)
	go func() { ended <- follower.brigTo(seen, &collected{}, "build", "logs", id, "-f") }()
	seen.await(t, "slow | slow line", 1)
	watched.await(t, "Running  long", 1)
	sh.ok("build", "cancel", id, "--reason", "enough")
	if code := <-ended; code != 0 {
		t.Errorf("logs: exit %d\n%s", code, seen)
	}
	watched.await(t, "Canceled  long", 1)
	watcher.sig <- os.Interrupt
	if code := <-over; code != brigade.ExitCanceled {
		t.Errorf("watch: exit %d\n%s", code, watched)
	}
	if out, _, code := sh.brig("build", "watch", id); code != 130 || !strings.Contains(out, "canceled") {
		t.Errorf("watch: exit %d\n%s", code, out)
	}
	sh.refused(5, "has ended", "build", "cancel", id)
}

func TestClusterWorkerPods(t *testing.T) {
	sh := newShell(t)
	c, namespace := sh.inCluster(true)
	sh.clusteredProject()
	out, errs, code := sh.brig("run", "acme/pods")
	if code != 0 || !strings.Contains(out, "worker of 0") || !strings.Contains(out, "TOKEN is ***") || strings.Contains(out, "s3cret") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if out, errs, code := sh.brig("run", "acme/broken"); code != 1 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	// As a gateway of v1, or somebody with kubectl, does it.
	c.Apply(t, namespace, `apiVersion: v1
kind: Secret
type: brigade.sh/build
metadata:
  name: brigade-worker-01kdz00000000000000000000a
  labels: {heritage: brigade, component: build, build: 01kdz00000000000000000000a, project: `+brigade.ProjectID("acme/pods")+`}
stringData: {event_type: push, event_provider: github, commit_ref: main, project_id: `+brigade.ProjectID("acme/pods")+`}
`)
	if out, errs, code := sh.brig("build", "watch", "01kdz00000000000000000000a"); code != 0 || !strings.Contains(out, "worker of 01kdz00000000000000000000a") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if out := sh.ok("build", "logs", "01kdz00000000000000000000a"); out != "worker of 01kdz00000000000000000000a\nTOKEN is ***\n" {
		t.Errorf("logs: %q", out)
	}
	if out := sh.ok("build", "list", "acme/pods", "--columns", "TYPE,PROVIDER,REF,STATUS", "--event", "push"); out != "TYPE  PROVIDER  REF   STATUS\npush  github    main  Succeeded\n" {
		t.Errorf("list:\n%s", out)
	}
}

func TestClusterWithoutAController(t *testing.T) {
	sh := newShell(t)
	c, namespace := sh.inCluster(false)
	sh.clusteredProject()
	out := sh.ok("event", "create", "acme/app", "-e", "push", "-i", "{}", "--key", "k1")
	again, errs, _ := sh.brig("event", "create", "acme/app", "-e", "push", "-i", "{}", "--key", "k1")
	if again != out || !strings.Contains(errs, "created before") {
		t.Errorf("the same key: %q and %q\n%s", out, again, errs)
	}
	id := strings.TrimSuffix(strings.Fields(out)[1], ",")
	if out := sh.ok("build", "list", "--state", "pending", "-o", "name"); out != id+"\n" {
		t.Errorf("list: %q", out)
	}
	sh.refused(5, "is pending", "build", "delete", id)
	if _, errs, code := sh.brig("build", "delete-all"); code != 0 || !strings.Contains(errs, "1 builds that wait or run") {
		t.Errorf("delete-all: exit %d %s", code, errs)
	}
	sh.ok("build", "delete", id, "--force")
	if text := c.Kubectl(t, "-n", namespace, "get", "secrets", "-l", "component=build", "-o", "name"); text != "" {
		t.Errorf("Secrets:\n%s", text)
	}
	if out, _, code := sh.brig("check"); code != 6 || !strings.Contains(out, "none has ever run here") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	stranger := sh.also()
	stranger.env["KUBECONFIG"] = c.KubeconfigFor(t, "stranger", namespace)
	stranger.refused(7, "secrets", "build", "list")
	sh.env["KUBECONFIG"] = "/nonsense"
	sh.refused(2, "there is no kubeconfig at /nonsense", "build", "list")
}
