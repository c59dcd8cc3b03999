package cluster_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

func TestRealNode(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Node: true, Images: []string{"docker.io/team/tool:1"}})
	ns := c.Namespace(t)
	t.Run("runs a pod", func(t *testing.T) {
		got := output(t, c, ns, "hello", "docker.io/team/tool:1", "echo hi from $(hostname) on $(cat /proc/1/comm)")
		if got != "hi from hello on sh\n" {
			t.Errorf("it printed %q", got)
		}
	})
	t.Run("exec", func(t *testing.T) {
		c.Kubectl(t, "-n", ns, "run", "stays", "--image="+cluster.Busybox, "--restart=Never", "--", "sleep", "100000")
		c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=condition=Ready", "pod/stays")
		if got := c.Kubectl(t, "-n", ns, "exec", "stays", "--", "sh", "-c", "echo $((6*7))"); got != "42\n" {
			t.Errorf("exec printed %q", got)
		}
	})
	t.Run("services have names", func(t *testing.T) {
		c.Kubectl(t, "-n", ns, "run", "web", "--image="+cluster.Busybox, "--restart=Never", "--port=8080", "--expose", "--", "sh", "-c",
			"echo found >/tmp/index.html; exec httpd -f -p 8080 -h /tmp")
		c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=condition=Ready", "pod/web")
		got := output(t, c, ns, "reader", cluster.Busybox, "for i in $(seq 100); do wget -qO- http://web:8080/ && exit 0; sleep 1; done; cat /etc/resolv.conf; nslookup web")
		if got != "found\n" {
			t.Errorf("it printed %q", got)
		}
	})
	t.Run("pods reach the API and this machine", func(t *testing.T) {
		listener, err := net.Listen("tcp", net.JoinHostPort(c.HostAddress(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here\n") }))
		}()
		got := output(t, c, ns, "asks", cluster.Busybox, fmt.Sprintf(
			`wget -qO- http://%s/; nc kubernetes.default.svc.cluster.local 443 </dev/null && echo open; ls /var/run/secrets/kubernetes.io/serviceaccount`, listener.Addr()))
		if got != "here\nopen\nca.crt\nnamespace\ntoken\n" {
			t.Errorf("it printed %q", got)
		}
	})
	t.Run("pods share a volume", func(t *testing.T) {
		c.Apply(t, ns, `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
`)
		for name, command := range map[string]string{"writer": "echo kept > /shared/file", "looker": "until cat /shared/file; do sleep 1; done"} {
			c.Apply(t, ns, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000}
  containers: [{name: main, image: %s, command: [sh, -c, %q], volumeMounts: [{name: shared, mountPath: /shared}]}]
  volumes: [{name: shared, persistentVolumeClaim: {claimName: shared}}]
`, name, cluster.Busybox, command))
		}
		c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=jsonpath={.status.phase}=Succeeded", "pod/looker")
		if got := c.Kubectl(t, "-n", ns, "logs", "looker"); !strings.HasSuffix(got, "kept\n") {
			t.Errorf("it read %q", got)
		}
	})
	t.Run("an image that nobody has", func(t *testing.T) {
		c.Kubectl(t, "-n", ns, "run", "nothing", "--image=registry.example/none:1", "--restart=Never")
		cluster.Until(t, "the kubelet says so", func() error {
			got := c.Kubectl(t, "-n", ns, "get", "pod/nothing", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
			if got != "ErrImagePull" && got != "ImagePullBackOff" {
				return fmt.Errorf("it says %q", got)
			}
			return nil
		})
	})
	t.Run("the kubelet restarts", func(t *testing.T) {
		if err := c.StopKubelet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.StartKubelet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := output(t, c, ns, "again", cluster.Busybox, "echo again"); got != "again\n" {
			t.Errorf("it printed %q", got)
		}
	})
}

// output runs a shell command in a pod to its end and returns what it printed.
func output(t *testing.T, c *cluster.Cluster, ns, name, image, command string) string {
	t.Helper()
	c.Kubectl(t, "-n", ns, "run", name, "--image="+image, "--restart=Never", "--", "sh", "-c", command)
	cluster.Until(t, "pod "+name+" ends", func() error {
		phase := c.Kubectl(t, "-n", ns, "get", "pod", name, "-o", "jsonpath={.status.phase}")
		if phase != "Succeeded" && phase != "Failed" {
			return fmt.Errorf("it is %s: %s", phase, c.Kubectl(t, "-n", ns, "get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state}"))
		}
		return nil
	})
	return c.Kubectl(t, "-n", ns, "logs", name)
}
