package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

func TestTwoSideBySide(t *testing.T) {
	if testing.Short() {
		t.Skip("two clusters")
	}
	_ = cluster.Shared(t) // or the test is skipped
	var clusters [2]*cluster.Cluster
	var errs [2]error
	var both sync.WaitGroup
	for i := range clusters {
		both.Go(func() { clusters[i], errs[i] = cluster.Open(t.Context(), cluster.Options{}) })
	}
	both.Wait()
	for i, c := range clusters {
		if errs[i] != nil {
			t.Error(errs[i])
			continue
		}
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	if t.Failed() {
		return
	}
	for i, c := range clusters {
		c.Kubectl(t, "create", "namespace", fmt.Sprint("here-", i))
	}
	for i, c := range clusters {
		all := c.Kubectl(t, "get", "namespaces", "-o", "name")
		if !strings.Contains(all, fmt.Sprint("here-", i)) || strings.Contains(all, fmt.Sprint("here-", 1-i)) {
			t.Errorf("cluster %d has these namespaces: %s", i, all)
		}
	}
}

func TestAPIServerRestarts(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Audit: true})
	ns := c.Namespace(t)
	c.FakeNode(t, cluster.FakeNodeOptions{})
	if err := c.StopAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := c.Run(t.Context(), nil, "get", "namespaces"); err == nil {
		t.Errorf("an API server that was stopped answers: %s", out)
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Kubectl(t, "-n", ns, "run", "after", "--image=x", "--restart=Never")
	c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=jsonpath={.status.phase}=Succeeded", "pod/after")
	requests, err := c.Requests()
	if err != nil {
		t.Fatal(err)
	}
	made := cluster.Request{User: "admin", Verb: "create", Resource: "pods", Namespace: ns, Name: "after", Status: 201}
	if !slices.ContainsFunc(requests, func(r cluster.Request) bool {
		r.Time, r.UserAgent = time.Time{}, ""
		return r == made
	}) {
		t.Errorf("of %d requests none is %+v", len(requests), made)
	}
}

func TestServiceAccountsMayDoWhatTheyAreGranted(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	as := c.KubeconfigFor(t, "robot", ns)
	ask := func(args ...string) (string, error) {
		return c.Run(t.Context(), nil, append([]string{"--kubeconfig", as}, args...)...)
	}
	if out, err := ask("get", "secrets"); err == nil || !strings.Contains(err.Error(), "robot") || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("it may read secrets before it is granted anything: %q, %v", out, err)
	}
	c.Kubectl(t, "-n", ns, "create", "role", "reader", "--verb=get,list", "--resource=secrets")
	c.Kubectl(t, "-n", ns, "create", "rolebinding", "reader", "--role=reader", "--serviceaccount="+ns+":robot")
	cluster.Until(t, "it may read secrets", func() error {
		_, err := ask("get", "secrets")
		return err
	})
	if out, err := ask("get", "pods"); err == nil {
		t.Errorf("it may read pods as well: %q", out)
	}
	if out, err := ask("-n", "kube-system", "get", "secrets"); err == nil {
		t.Errorf("it may read secrets elsewhere: %q", out)
	}
}

func TestVolumeClaimGetsAVolume(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	c.Apply(t, ns, `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
`)
	c.Kubectl(t, "-n", ns, "wait", "--timeout=180s", "--for=jsonpath={.status.phase}=Bound", "pvc/shared")
	volume := c.Kubectl(t, "-n", ns, "get", "pvc/shared", "-o", "jsonpath={.spec.volumeName}")
	c.Kubectl(t, "-n", ns, "delete", "pvc/shared")
	cluster.Until(t, "the volume goes with its claim", func() error {
		if out := c.Kubectl(t, "get", "pv", "-o", "name"); strings.Contains(out, volume) {
			return fmt.Errorf("there is still %s", out)
		}
		return nil
	})
}

// child is set in the process that TestNothingIsLeft starts: whether its
// cluster has a real node.
const child = "BRIGADE_TEST_CLUSTER_CHILD"

func TestMain(m *testing.M) {
	if kind := os.Getenv(child); kind != "" {
		os.Exit(beChild(kind == "node"))
	}
	os.Exit(m.Run())
}

// beChild starts a cluster, says where it is, and waits to be killed.
func beChild(node bool) int {
	c, err := cluster.Open(context.Background(), cluster.Options{Node: node})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if node {
		for _, args := range [][]string{
			{"run", "stays", "--image=" + cluster.Busybox, "--", "sleep", "100000"},
			{"wait", "--for=condition=Ready", "pod/stays", "--timeout=180s"},
		} {
			if _, err := c.Run(context.Background(), nil, args...); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	}
	fmt.Println(c.Dir)
	select {}
}

func TestNothingIsLeft(t *testing.T) {
	_ = cluster.Shared(t) // or the test is skipped
	for _, kind := range []string{"plain", "node"} {
		t.Run(kind, func(t *testing.T) {
			if err := cluster.CanNode(); kind == "node" && err != nil {
				if cluster.Required() {
					t.Fatal(err)
				}
				t.Skip("SKIPPED: ", err)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = append(os.Environ(), child+"="+kind)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			dir, err := bufio.NewReader(out).ReadString('\n')
			dir = strings.TrimSpace(dir)
			if err != nil || dir == "" {
				t.Fatalf("the child has no cluster: %v", err)
			}
			if left := leftovers(t, dir); len(left) < 5 {
				t.Errorf("of a cluster that runs, only this is seen: %v", left)
			}
			if err := cmd.Process.Kill(); err != nil { // as the kernel does when memory is short
				t.Fatal(err)
			}
			_ = cmd.Wait()
			cluster.Until(t, "nothing is left", func() error {
				if left := leftovers(t, dir); len(left) > 0 {
					return fmt.Errorf("left: %s", strings.Join(left, ", "))
				}
				return nil
			})
		})
	}
}

// leftovers are the processes, directories, mounts and control groups of a
// cluster.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	if _, err := os.Stat(dir); err == nil {
		left = append(left, dir)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		groups, _ := filepath.Glob(pattern + filepath.Base(dir))
		left = append(left, groups...)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		env, _ := os.ReadFile(p + "/environ")
		group, _ := os.ReadFile(p + "/cgroup")
		if strings.Contains("\x00"+string(env), "\x00HOME="+dir+"\x00") || strings.Contains(string(group), filepath.Base(dir)) {
			line, _ := os.ReadFile(p + "/cmdline")
			left = append(left, p+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			left = append(left, line)
		}
	}
	return left
}
