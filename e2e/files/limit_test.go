package files_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/brigimage"
	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// parallel starts its jobs at once.
const parallel = `const { events, Job } = require("brigadier");
events.on("exec", () => Promise.all(["a", "b", "c", "d"].map((name) => {
  const job = new Job(name, "docker.io/library/alpine:3.8", ["sleep 4"]);
  job.useSource = false;
  return job.run();
})));`

// TestLimits has the limits of the installation and of a project hold for jobs
// that worker pods run, also when another controller goes on.
func TestLimits(t *testing.T) {
	c := cluster.SharedNode(t)
	image := brigimage.Load(t, c)
	i := &installation{T: t, c: c, ns: c.Namespace(t), p: brigade.NewProject("acme/app"), state: t.TempDir()}
	i.p.Limits.Jobs = 1
	i.prepare(parallel)
	other := *i
	other.p = brigade.NewProject("acme/other")
	other.c.Apply(t, i.ns, projectSecret(t, other.p, i.ns, parallel))
	opt := i.options(image)
	opt.InPods, opt.MaxJobs = true, 2
	_, stop := lead(t, opt)
	mine, others := i.begin("exec", ""), other.begin("exec", "")
	cluster.Until(t, "a job runs, and another waits for its turn", func() error {
		runs, waits := 0, 0
		for _, pod := range i.jobPods() {
			if objects.WaitsForTurn(&pod) {
				waits++
			} else if pod.Status.Phase == corev1.PodRunning {
				runs++
			}
		}
		if runs == 0 || waits == 0 {
			return fmt.Errorf("%d run, %d wait", runs, waits)
		}
		return nil
	})
	stop()
	lead(t, opt)
	i.await(mine, "succeeded")
	other.await(others, "succeeded")
	var all, own []span
	for _, pod := range i.jobPods() {
		s, err := spanOf(pod)
		if err != nil {
			t.Fatalf("%s: %v", pod.Name, err)
		}
		all = append(all, s)
		if strings.HasSuffix(pod.Name, mine) {
			own = append(own, s)
		}
	}
	if len(all) != 8 || len(own) != 4 {
		t.Fatalf("%d jobs ran, %d of the project with a limit", len(all), len(own))
	}
	if n := together(all); n > 2 {
		t.Errorf("%d jobs ran at once, the limit is 2: %v", n, all)
	}
	if n := together(own); n > 1 {
		t.Errorf("%d jobs of a project ran at once, its limit is 1: %v", n, own)
	}
}

func projectSecret(t *testing.T, p *brigade.Project, ns, script string) string {
	t.Helper()
	p.DefaultScript = script
	secret, err := objects.ProjectSecret(p, ns, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret.APIVersion, secret.Kind = "v1", "Secret"
	text, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (i *installation) jobPods() []corev1.Pod {
	i.Helper()
	var list corev1.PodList
	if err := json.Unmarshal([]byte(i.c.Kubectl(i.T, "-n", i.ns, "get", "pods", "-l", "component=job", "-o", "json")), &list); err != nil {
		i.Fatal(err)
	}
	return list.Items
}

// span is when a container ran.
type span struct{ from, to time.Time }

func spanOf(pod corev1.Pod) (span, error) {
	for _, s := range pod.Status.ContainerStatuses {
		if end := s.State.Terminated; s.Name == objects.ContainerJob && end != nil {
			return span{end.StartedAt.Time, end.FinishedAt.Time}, nil
		}
	}
	return span{}, errors.New("its container has not ended")
}

// together is how many ran at once at the most. Times are in whole seconds: one
// that began in the second in which another ended came after it.
func together(all []span) (most int) {
	for _, s := range all {
		n := 0
		for _, o := range all {
			if !o.from.After(s.from) && o.to.After(s.from) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
