package pods_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// TestRequests counts what jobs cost the API server: their Secret, their pod
// and at most two readings of their log each, and one watch for all.
func TestRequests(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t, e2e.Options{Audit: true})
	c.FakeNode(t, e2e.FakeNodeOptions{Run: func(pod *corev1.Pod) e2e.Fate {
		fate := e2e.FateOf(pod)
		fate.Log = "from " + pod.Name + "\n"
		return fate
	}})
	b := benchOn(t, c, nil)
	agent := "requests-test"
	k, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: b.ns, UserAgent: agent})
	if err != nil {
		t.Fatal(err)
	}
	b.r = newRunner(t, c, b.ns, func(o *pods.Options) { o.Cluster, o.Events = k, false })
	if err := b.r.Check(b.ctx()); err != nil {
		t.Fatal(err)
	}
	const jobs = 60
	var group sync.WaitGroup
	for i := range jobs {
		j := b.job(fmt.Sprintf("job-%d", i), nil, "true")
		group.Go(func() {
			x, err := b.r.Start(b.ctx(), j.run)
			if err != nil {
				t.Errorf("Start: %v", err)
				return
			}
			if exit, err := x.Wait(b.ctx()); err != nil || exit.Code != 0 || j.output() != "from "+j.run.Job.ID+"\n" {
				t.Errorf("%+v, %v, printed %q", exit, err, j.output())
			}
			if err := b.r.EndBuild(b.ctx(), j.run.Build.ID); err != nil {
				t.Errorf("EndBuild: %v", err)
			}
		})
	}
	group.Wait()
	requests, err := c.Requests()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, q := range requests {
		if strings.HasPrefix(q.UserAgent, agent) {
			count[strings.TrimSuffix(q.Verb+" "+q.Resource+"/"+q.Part, "/")]++
		}
	}
	t.Logf("%d jobs: %v", jobs, count)
	for what, most := range map[string]int{"create secrets": jobs, "create pods": jobs, "get pods/log": 2 * jobs, "list pods": jobs / 2, "watch pods": jobs / 2} {
		if count[what] > most {
			t.Errorf("%d times %s, at most %d are needed", count[what], what, most)
		}
		delete(count, what)
	}
	if len(count) > 0 {
		t.Errorf("further requests: %v", count)
	}
}
