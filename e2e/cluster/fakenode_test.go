package cluster_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

func TestFakeNodeRunsAPod(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	c.FakeNode(t, cluster.FakeNodeOptions{})
	c.Kubectl(t, "-n", ns, "run", "hello", "--image=x", "--restart=Never", "--annotations=fake.brigade.sh/log=hi")
	c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=jsonpath={.status.phase}=Succeeded", "pod/hello")
	if got := c.Kubectl(t, "-n", ns, "logs", "hello"); got != "hi" {
		t.Errorf("log is %q", got)
	}
}

// fates are pods, and what becomes of them: phase, pod reason, state of the
// init container, and of the main one.
var fates = []struct {
	name        string
	annotations string
	spec        string
	want        string
}{
	{"succeeds", ``, ``, `Succeeded - exit 0 Completed "" | exit 0 Completed ""`},
	{"fails", `{exit: "3", message: "it broke"}`, ``, `Failed - exit 0 Completed "" | exit 3 Error "it broke"`},
	{"naps", `{nap: 50ms, message: '{"a":1}'}`, ``, `Succeeded - exit 0 Completed "" | exit 0 Completed "{\"a\":1}"`},
	{"no-source", `{init-exit: "128", message: "no such ref"}`, ``, `Failed - exit 128 Error "no such ref" | waiting PodInitializing`},
	{"no-image", `{waiting: ImagePullBackOff, message: "no such image"}`, ``, `Pending - waiting ImagePullBackOff | waiting PodInitializing`},
	{"too-big", `{exit: "137", reason: OOMKilled}`, ``, `Failed - exit 0 Completed "" | exit 137 OOMKilled ""`},
	{"evicted", `{exit: "137", reason: Evicted, message: "no room"}`, ``, `Failed Evicted exit 0 Completed "" | exit 137 Error "no room"`},
	{"too-long", `{nap: forever}`, `activeDeadlineSeconds: 1`, `Failed DeadlineExceeded exit 0 Completed "" | exit 137 Error ""`},
	{"runs-on", `{nap: forever}`, ``, `Running - exit 0 Completed "" | running`},
}

func TestFatesOfPods(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	n := c.FakeNode(t, cluster.FakeNodeOptions{})
	for _, f := range fates {
		annotations := strings.NewReplacer("{", "{fake.brigade.sh/", ", ", ", fake.brigade.sh/").Replace(f.annotations)
		if f.annotations == "" {
			annotations = "{}"
		}
		annotations = strings.ReplaceAll(annotations, `'{fake.brigade.sh/"`, `'{"`)
		c.Apply(t, ns, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, annotations: %s}
spec:
  restartPolicy: Never
  %s
  initContainers: [{name: first, image: x}]
  containers: [{name: main, image: x}]
`, f.name, annotations, f.spec))
	}
	for _, f := range fates {
		t.Run(f.name, func(t *testing.T) {
			cluster.Until(t, "what it comes to", func() error {
				if got := told(t, c, ns, f.name); got != f.want {
					return fmt.Errorf("it is     %s\nand not %s", got, f.want)
				}
				return nil
			})
		})
	}
	if got := n.Running(); got != 2 {
		t.Errorf("%d pods did not end, not 2", got)
	}
	// A deletion ends those that run, and all go.
	c.Kubectl(t, "-n", ns, "delete", "pods", "--all", "--timeout=180s")
	cluster.Until(t, "the node forgets them", func() error {
		if got := n.Running(); got != 0 {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
}

// told is what a pod's status says, in a line.
func told(t *testing.T, c *cluster.Cluster, ns, name string) string {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(c.Kubectl(t, "-n", ns, "get", "pod", name, "-o", "json")), &pod); err != nil {
		t.Fatal(err)
	}
	state := func(list []corev1.ContainerStatus) string {
		if len(list) != 1 {
			return fmt.Sprint(len(list), " containers")
		}
		switch s := list[0].State; {
		case s.Terminated != nil:
			return fmt.Sprintf("exit %d %s %q", s.Terminated.ExitCode, s.Terminated.Reason, s.Terminated.Message)
		case s.Running != nil:
			return "running"
		case s.Waiting != nil:
			return "waiting " + s.Waiting.Reason
		}
		return "nothing"
	}
	reason := pod.Status.Reason
	if reason == "" {
		reason = "-"
	}
	return fmt.Sprintf("%s %s %s | %s", pod.Status.Phase, reason, state(pod.Status.InitContainerStatuses), state(pod.Status.ContainerStatuses))
}

func TestSilentNode(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	n := c.FakeNode(t, cluster.FakeNodeOptions{Run: func(*corev1.Pod) cluster.Fate { return cluster.Fate{Nap: cluster.Forever} }})
	c.Kubectl(t, "-n", ns, "run", "lost", "--image=x", "--restart=Never", "--overrides", `{"spec":{"nodeName":"`+n.Name+`"}}`)
	c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=condition=Ready", "pod/lost")
	n.Silence(true)
	c.Kubectl(t, "-n", ns, "delete", "pod", "lost", "--wait=false")
	if got := c.Kubectl(t, "-n", ns, "get", "pods", "-o", "name"); got != "pod/lost\n" {
		t.Errorf("the pod went although its node says nothing: %q", got)
	}
	n.Silence(false)
	c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=delete", "pod/lost")
}
