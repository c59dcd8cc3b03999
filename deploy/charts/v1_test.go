package charts

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// v1Chart is a stand-in for v1's chart: what it made, by the same names and
// labels, with containers that do nothing.
func v1Chart() *chart.Chart {
	const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, labels: {role: %[3]s}}
spec:
  replicas: 1
  selector: {matchLabels: {%[2]s}}
  template:
    metadata: {labels: {%[2]s}}
    spec: {serviceAccountName: %[4]s, containers: [{name: brigade, image: "` + cluster.Busybox + `", imagePullPolicy: Never, command: [sleep, "1000000"]}]}
---
`
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {ports: [{port: %d}], selector: {role: %s}}\n---\n"
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %s}\n---\n"
	const full = "{{ .Release.Name }}-brigade"
	var text strings.Builder
	for _, d := range []struct{ name, labels, role, account string }{
		{full + "-ctrl", "app.kubernetes.io/name: " + full + "-ctrl, app: " + full + "-ctrl, role: controller", "controller", full + "-ctrl"},
		{full + "-api", "app.kubernetes.io/name: " + full + "-api, app: " + full + "-api, role: api", "api", full + "-api"},
		{full + "-generic-gateway", "app.kubernetes.io/name: " + full + ", app: " + full + ", role: gateway, type: generic", "gateway", full + "-generic-gateway"},
		{"{{ .Release.Name }}-kashti", "app: kashti", "kashti", "default"},
	} {
		fmt.Fprintf(&text, deployment, d.name, d.labels, d.role, d.account)
		if d.account != "default" {
			fmt.Fprintf(&text, account, d.account)
		}
	}
	fmt.Fprintf(&text, account, "brigade-worker")
	fmt.Fprintf(&text, service, full+"-api", 7745, "api")
	fmt.Fprintf(&text, service, full+"-generic-gateway", 8081, "gateway")
	fmt.Fprintf(&text, service, "{{ .Release.Name }}-kashti", 80, "kashti")
	return &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: "brigade", Version: "1.10.0", AppVersion: "v1.4.0"},
		Templates: []*common.File{{Name: "templates/all.yaml", Data: []byte(text.String())}},
	}
}

// worker makes a pod as v1's controller did, and its build's Secret.
func (w world) v1Worker(project, id, command string) {
	w.t.Helper()
	w.v1Build(project, id, "exec", nil)
	w.c.Kubectl(w.t, "-n", w.ns, "label", "secret", "brigade-worker-"+id, "status=accepted")
	if command == "" {
		return // its pod is gone
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "brigade-worker-" + id,
			Labels: map[string]string{"heritage": "brigade", "component": "build", "project": project, "build": id},
		},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{
			{Name: "brigade-runner", Image: cluster.Busybox, ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", command}},
		}},
	}
	if _, err := w.client.CoreV1().Pods(w.ns).Create(w.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// phase waits until a pod is in a phase.
func (w world) phase(pod string, want ...corev1.PodPhase) *corev1.Pod {
	w.t.Helper()
	var got *corev1.Pod
	cluster.Until(w.t, fmt.Sprintf("pod %s is %s", pod, want), func() (err error) {
		got, err = w.client.CoreV1().Pods(w.ns).Get(w.t.Context(), pod, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, phase := range want {
			if got.Status.Phase == phase {
				return nil
			}
		}
		return fmt.Errorf("it is %s", got.Status.Phase)
	})
	return got
}

// TestFromV1 takes over a namespace in which v1 has been at work: projects and
// builds as v1 made them, some over, one under way, one waiting while nobody
// runs builds.
func TestFromV1(t *testing.T) {
	w := newWorld(t)
	own := ownImage(t, w.c)
	w.h.install(release, v1Chart(), values(t, `
controller: {registry: brigadecore, name: brigade-controller, tag: v1.4.0}
genericGateway: {enabled: true, registry: brigadecore, service: {name: brigade-generic-service, type: ClusterIP, externalPort: 8081, internalPort: 8000}}
vacuum: {enabled: true, age: 720h}
`), true)
	project := "brigade-" + strings.Repeat("ab", 27)
	w.c.Apply(t, w.ns, `
apiVersion: v1
kind: Secret
type: brigade.sh/project
metadata:
  name: `+project+`
  labels: {app: brigade, heritage: brigade, component: project, chart: brigade-project-1.0.0, release: app}
  annotations: {projectName: acme/app}
stringData:
  repository: github.com/acme/app
  sharedSecret: x
  genericGatewaySecret: open
  allowPrivilegedJobs: "true"
  allowHostMounts: "false"
  initGitSubmodules: "false"
  secrets: '{"who": "you"}'
  defaultScript: |
    const { events, Job } = require("brigadier");
    events.on("exec", (e, p) => { const j = new Job("hello", "`+cluster.Busybox+`", ["echo hello $WHO"]); j.env = { WHO: p.secrets.who }; j.run(); });
`)
	const good, bad, gone, running, waiting, after = "01hf0000000000000000000011", "01hf0000000000000000000012", "01hf0000000000000000000013",
		"01hf0000000000000000000014", "01hf0000000000000000000015", "01hf0000000000000000000016"
	w.v1Worker(project, good, "exit 0")
	w.v1Worker(project, bad, "exit 1")
	w.v1Worker(project, gone, "")
	w.v1Worker(project, running, "while ! [ -e /tmp/go ]; do sleep 1; done")
	w.phase("brigade-worker-"+good, corev1.PodSucceeded)
	w.phase("brigade-worker-"+bad, corev1.PodFailed)
	before := w.phase("brigade-worker-"+running, corev1.PodRunning)
	w.c.Kubectl(t, "-n", w.ns, "scale", "deployment", release+"-brigade-ctrl", "--replicas=0")
	w.v1Build(project, waiting, "exec", nil)
	w.c.Kubectl(t, "-n", w.ns, "create", "secret", "generic", "nonsense", "--type=brigade.sh/build", "--from-literal=event_type=exec")
	w.c.Kubectl(t, "-n", w.ns, "label", "secret", "nonsense", "heritage=brigade", "component=build")

	w.h.upgrade(release, load(t, "brigade"), values(t, own+"store: {type: sqlite, persistence: {size: 1Gi}}\n"), true)
	for deployment, want := range map[string]bool{release + "-brigade-ctrl": true, release + "-brigade-generic-gateway": true, release + "-brigade-api": false, release + "-kashti": false} {
		_, err := w.client.AppsV1().Deployments(w.ns).Get(t.Context(), deployment, metav1.GetOptions{})
		if (err == nil) != want {
			t.Errorf("deployment %s: %v", deployment, err)
		}
	}

	w.succeeded("build="+waiting, 1)
	w.v1Build(project, after, "exec", nil)
	w.succeeded("build="+after, 1)
	for _, id := range []string{waiting, after} {
		if n := len(w.jobs(id)); n != 1 {
			t.Errorf("build %s has %d jobs", id, n)
		}
	}
	for _, id := range []string{good, bad, gone, running} {
		if jobs := w.jobs(id); len(jobs) != 0 {
			t.Errorf("the old build %s was run again: %s", id, jobs[0].Name)
		}
	}
	still := w.phase("brigade-worker-"+running, corev1.PodRunning)
	if still.UID != before.UID {
		t.Error("the worker that ran was replaced")
	}
	w.c.Kubectl(t, "-n", w.ns, "exec", still.Name, "--", "touch", "/tmp/go")
	w.succeeded("build="+running, 1)
	list, err := exec.Command(brig(t), "--kubeconfig", w.c.Kubeconfig(), "-n", w.ns, "build", "list").CombinedOutput()
	t.Logf("brig build list: %v\n%s", err, list)
	for id, want := range map[string]string{good: "succeeded", bad: "failed", running: "succeeded", waiting: "succeeded", after: "succeeded"} {
		if line := lineWith(string(list), id); !strings.Contains(strings.ToLower(line), want) {
			t.Errorf("%s is said to be %q, want %s", id, line, want)
		}
	}
	if w.jobs(running) != nil {
		t.Error("the build that v1 had started was run again")
	}

	back := action.NewRollback(w.h.config)
	back.Version, back.Timeout, back.WaitStrategy = 1, patience, kube.HookOnlyStrategy
	if err := back.Run(release); err != nil {
		t.Errorf("back to v1: %v", err)
	}
	for _, part := range []string{"ctrl", "api", "generic-gateway"} {
		d, err := w.client.AppsV1().Deployments(w.ns).Get(t.Context(), release+"-brigade-"+part, metav1.GetOptions{})
		if err != nil || d.Spec.Template.Spec.Containers[0].Image != cluster.Busybox {
			t.Errorf("after the way back to v1, %s: %v", part, err)
		}
	}
}

// lineWith is the line of a text that has a word.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
