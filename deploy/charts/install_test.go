package charts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// TestMain removes what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

// program is brig of this source tree, built once.
var program struct {
	sync.Once
	dir, path string
	err       error
}

func brig(t *testing.T) string {
	t.Helper()
	program.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "brigade-charts-"); program.err != nil {
			return
		}
		program.path = filepath.Join(program.dir, "brig")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program.path, "./cmd/brig")
		build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("build brig: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

// image is made of it once, and put on the real node.
var image struct {
	sync.Once
	err error
}

// ownImage is the image of this source tree, as values of the chart.
func ownImage(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	binary := brig(t)
	image.Do(func() {
		archive := filepath.Join(program.dir, "image.tar")
		platform := "linux/" + runtime.GOARCH
		build := exec.Command("go", "run", "./deploy/image", "-platform", platform, "-binary", platform+"="+binary, "-o", archive, "-name", "localhost/brigade", "-tag", "charts", "-version", "v0.0.0-charts")
		build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "GOFLAGS=-buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			image.err = fmt.Errorf("build the image: %w\n%s", err, out)
			return
		}
		_, image.err = c.Import(context.Background(), archive)
	})
	if image.err != nil {
		t.Fatal(image.err)
	}
	return "image: {registry: localhost, name: brigade, tag: charts, pullPolicy: Never}\n"
}

// world is a namespace with Brigade in it.
type world struct {
	t      *testing.T
	c      *cluster.Cluster
	ns     string
	client *kubernetes.Clientset
	h      helm
}

func newWorld(t *testing.T) world {
	t.Helper()
	c := cluster.SharedNode(t)
	ns := c.Namespace(t)
	w := world{t: t, c: c, ns: ns, client: clientOf(t, c.Kubeconfig()), h: helmIn(t, c, ns)}
	// What runs in it has to fit the strictest standard, apart from jobs.
	c.Kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/warn=restricted")
	t.Cleanup(func() {
		if t.Failed() {
			w.explain()
		}
	})
	return w
}

// explain logs what there is, when a test has failed.
func (w world) explain() {
	for _, args := range [][]string{
		{"get", "pods,secrets,pvc,deployments", "-o", "wide"},
		{"get", "events"},
		{"logs", "-l", "app.kubernetes.io/part-of=brigade", "--all-containers", "--tail=40", "--prefix"},
	} {
		out, err := w.c.Run(context.Background(), nil, append([]string{"-n", w.ns}, args...)...)
		w.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// project installs one through its chart.
func (w world) project(name, vals string) string {
	w.t.Helper()
	all := values(w.t, vals)
	all["project"] = name
	r := w.h.install("project-"+strings.ReplaceAll(name, "/", "-"), load(w.t, "brigade-project"), all, false)
	_, rest, _ := strings.Cut(r.Manifest, "name: ")
	id, _, _ := strings.Cut(rest, "\n")
	return id
}

// v1Build makes the Secret of a build as any v1 gateway or shell script does.
func (w world) v1Build(project, id, event string, more map[string]string) {
	w.t.Helper()
	data := map[string]string{
		"build_id": id, "build_name": "brigade-worker-" + id, "commit_id": "", "commit_ref": "master", "event_provider": "shell", "event_type": event,
		"project_id": project, "log_level": "log", "payload": "{}", "script": "", "config": "", "clone_url": "", "short_title": "", "long_title": "",
	}
	for k, v := range more {
		data[k] = v
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "brigade-worker-" + id,
			Labels: map[string]string{"heritage": "brigade", "component": "build", "project": project, "build": id},
		},
		Type: "brigade.sh/build", StringData: data,
	}
	if _, err := w.client.CoreV1().Secrets(w.ns).Create(w.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// succeeded waits until builds have ended well and returns their Secrets.
func (w world) succeeded(selector string, want int) []corev1.Secret {
	w.t.Helper()
	var found []corev1.Secret
	cluster.Until(w.t, "builds "+selector+" succeed", func() error {
		list, err := w.client.CoreV1().Secrets(w.ns).List(w.t.Context(), metav1.ListOptions{LabelSelector: "component=build," + selector})
		if err != nil {
			return err
		}
		found = found[:0]
		states := []string{}
		for _, s := range list.Items {
			state := s.Labels["brigade.sh/state"]
			states = append(states, s.Name+" "+state)
			if state == "succeeded" {
				found = append(found, s)
			}
			if state == "failed" || state == "canceled" {
				w.t.Fatalf("%s %s: %s", s.Name, state, s.Annotations["brigade.sh/status"])
			}
		}
		if len(found) < want {
			return fmt.Errorf("so far %q", states)
		}
		return nil
	})
	return found
}

// jobs returns the pods of a build's jobs.
func (w world) jobs(build string) []corev1.Pod {
	w.t.Helper()
	list, err := w.client.CoreV1().Pods(w.ns).List(w.t.Context(), metav1.ListOptions{LabelSelector: "component=job,build=" + build})
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

const helloScript = `
defaultScript: |
  const { events, Job } = require("brigadier");
  for (const name of ["exec", "simpleevent"]) {
    events.on(name, async (e, p) => {
      const hello = new Job("hello", "` + cluster.Busybox + `", ["echo hello $WHO"]);
      hello.env = { WHO: p.secrets.who };
      hello.streamLogs = true;
      console.log("the script says hi");
      const result = await hello.run();
      if (!result.toString().includes("hello you")) throw new Error(result.toString());
    });
  }
genericGatewaySecret: open
secrets: {who: you}
`

// TestInstalled installs the chart for real, with all roles as they are, and
// has builds run that come in as they did with v1.
func TestInstalled(t *testing.T) {
	w := newWorld(t)
	own := ownImage(t, w.c)
	w.h.install(release, load(t, "brigade"), values(t, own+`
store: {type: sqlite, persistence: {size: 1Gi}}
genericGateway: {enabled: true, replicas: 2}
networkPolicy: {enabled: true}
`), true)
	project := w.project("acme/hello", helloScript)

	t.Run("kubectl makes a build", func(t *testing.T) {
		w := w
		w.t = t
		w.v1Build(project, "01hf0000000000000000000001", "exec", nil)
		build := w.succeeded("build=01hf0000000000000000000001", 1)[0]
		if build.Labels["status"] != "accepted" {
			t.Errorf("labels are %v", build.Labels)
		}
		pods := w.jobs("01hf0000000000000000000001")
		if len(pods) != 1 || pods[0].Name != "hello-01hf0000000000000000000001" {
			t.Errorf("%d pods of jobs", len(pods))
		}
	})
	t.Run("a webhook makes a build", func(t *testing.T) {
		w := w
		w.t = t
		url := fmt.Sprintf("http://%s-brigade-generic-gateway:8081/simpleevents/v1/%s/open", release, project)
		out := w.inCluster("sender", `wget -qO- --header 'Content-Type: application/json' --post-data '{"ref": "main"}' `+url)
		if !strings.Contains(out, "Build created") {
			t.Errorf("the gateway answers %q", out)
		}
		refused := w.inCluster("stranger", `wget -qO- --post-data '{}' `+strings.Replace(url, "/open", "/shut", 1)+` 2>&1 || true`)
		if !strings.Contains(refused, "401") {
			t.Errorf("with a wrong secret the gateway answers %q", refused)
		}
		w.succeeded("build!=01hf0000000000000000000001", 1)
	})
	t.Run("the API is where it was", func(t *testing.T) {
		w := w
		w.t = t
		out := w.inCluster("reader", fmt.Sprintf("wget -qO- http://%s-brigade-api:7745/healthz; wget -qO- --header 'Accept: text/html' http://%s-brigade-kashti/ | head -c 2000; wget -qO- http://%s-brigade-api:7745/v1/projects 2>&1 || true", release, release, release))
		for _, want := range []string{"OK", "<html", "401"} {
			if !strings.Contains(out, want) {
				t.Errorf("there is no %q in %s", want, out)
			}
		}
		token := w.c.Kubectl(t, "-n", w.ns, "exec", "service/"+release+"-brigade-api", "--", "/brig", "token", "create", "me", "--scope", "read",
			"--server", "http://127.0.0.1:7745", "--token-file", "/var/lib/brigade/token")
		out = w.inCluster("knower", fmt.Sprintf("wget -qO- --header 'Authorization: Bearer %s' http://%s-brigade-api:7745/v1/projects", strings.TrimSpace(token), release))
		if !strings.Contains(out, "acme/hello") {
			t.Errorf("with a token the API says %s", out)
		}
	})
	t.Run("a person follows", w.follow)
	t.Run("files without volumes", func(t *testing.T) {
		w := w
		w.t, w.h.t = t, t
		w.h.upgrade(release, load(t, "brigade"), values(t, "jobs: {source: workspace, buildStorage: workspace, cache: workspace}"), true)
		shares := w.project("acme/shares", `
defaultScript: |
  const { events, Job } = require("brigadier");
  events.on("exec", async () => {
    for (const [name, task] of [["writer", "echo kept > /mnt/brigade/share/f"], ["reader", "cat /mnt/brigade/share/f"]]) {
      const job = new Job(name, "`+cluster.Busybox+`", [task]);
      job.storage.enabled = true;
      const result = await job.run();
      if (name == "reader" && result.toString().trim() != "kept") throw new Error("read " + result.toString());
    }
  });
`)
		w.v1Build(shares, "01hf0000000000000000000003", "exec", nil)
		w.succeeded("build=01hf0000000000000000000003", 1)
	})
	t.Run("worker pods", func(t *testing.T) {
		w := w
		w.t, w.h.t = t, t
		w.h.upgrade(release, load(t, "brigade"), values(t, "worker: {mode: pod}"), true)
		w.v1Build(project, "01hf0000000000000000000002", "exec", nil)
		w.succeeded("build=01hf0000000000000000000002", 1)
		pod, err := w.client.CoreV1().Pods(w.ns).Get(t.Context(), "brigade-worker-01hf0000000000000000000002", metav1.GetOptions{})
		if err != nil || pod.Spec.ServiceAccountName != "brigade-worker" {
			t.Errorf("the worker pod runs as %q, %v", pod.Spec.ServiceAccountName, err)
		}
		log := w.c.Kubectl(t, "-n", w.ns, "logs", pod.Name)
		if !strings.Contains(log, "hello you") {
			t.Errorf("the worker printed:\n%s", log)
		}
	})
	t.Run("restricted", func(t *testing.T) {
		w := w
		w.t, w.h.t = t, t
		w.c.Kubectl(t, "label", "namespace", w.ns, "pod-security.kubernetes.io/enforce=restricted")
		w.h.upgrade(release, load(t, "brigade"), values(t, "jobs: {restricted: true}"), true)
		w.v1Build(project, "01hf0000000000000000000004", "exec", nil)
		w.succeeded("build=01hf0000000000000000000004", 1)
		if log := w.c.Kubectl(t, "-n", w.ns, "logs", "brigade-worker-01hf0000000000000000000004"); !strings.Contains(log, "hello you") {
			t.Errorf("the worker printed:\n%s", log)
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		w := w
		w.t, w.h.t = t, t
		w.h.uninstall(release)
		out := w.c.Kubectl(t, "-n", w.ns, "get", "deployments,services,roles,rolebindings,ingresses,cronjobs,networkpolicies,poddisruptionbudgets", "-o", "name")
		if strings.TrimSpace(out) != "" {
			t.Errorf("left are:\n%s", out)
		}
		if out := w.c.Kubectl(t, "-n", w.ns, "get", "pvc", "-o", "name"); !strings.Contains(out, release+"-brigade-ctrl") {
			t.Errorf("the volume with the logs is gone: %s", out)
		}
	})
}

// inCluster runs a shell command in a pod and returns what it printed.
func (w world) inCluster(name, command string) string {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{
			{Name: "shell", Image: cluster.Busybox, ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", command}},
		}},
	}
	if _, err := w.client.CoreV1().Pods(w.ns).Create(w.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	cluster.Until(w.t, "pod "+name+" ends", func() error {
		got, err := w.client.CoreV1().Pods(w.ns).Get(w.t.Context(), name, metav1.GetOptions{})
		if err == nil && got.Status.Phase != corev1.PodSucceeded && got.Status.Phase != corev1.PodFailed {
			err = fmt.Errorf("it is %s", got.Status.Phase)
		}
		return err
	})
	return w.c.Kubectl(w.t, "-n", w.ns, "logs", name)
}
