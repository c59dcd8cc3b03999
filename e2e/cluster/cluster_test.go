package cluster_test

import (
	"testing"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

func TestFakeNodeRunsAPod(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	c.FakeNode(t, cluster.FakeNodeOptions{})
	c.Kubectl(t, "-n", ns, "run", "hello", "--image=x", "--restart=Never", "--annotations=fake.brigade.sh/log=hi")
	c.Kubectl(t, "-n", ns, "wait", "--timeout=120s", "--for=jsonpath={.status.phase}=Succeeded", "pod/hello")
	if got := c.Kubectl(t, "-n", ns, "logs", "hello"); got != "hi" {
		t.Errorf("log is %q", got)
	}
}
