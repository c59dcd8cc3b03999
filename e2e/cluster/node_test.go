package cluster_test

import (
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

func TestRealNodeRunsAPod(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Node: true})
	ns := c.Namespace(t)
	c.Kubectl(t, "-n", ns, "run", "hello", "--image="+cluster.Busybox, "--restart=Never", "--", "sh", "-c", "echo hi from $(hostname)")
	c.Kubectl(t, "-n", ns, "wait", "--timeout=120s", "--for=jsonpath={.status.phase}=Succeeded", "pod/hello")
	if got := c.Kubectl(t, "-n", ns, "logs", "hello"); got != "hi from hello\n" {
		t.Errorf("log is %q", got)
	}
}
