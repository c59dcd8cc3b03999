package controller_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
)

// counted waits until the node has started a pod that often, or more often.
func (n *node) counted(t *testing.T, pod string, want int) {
	t.Helper()
	testcluster.Until(t, fmt.Sprintf("%s is started %d times", pod, want), func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.starts[pod] < want {
			return fmt.Errorf("it was started %d times", n.starts[pod])
		}
		return nil
	})
}

// lastingJobs are two jobs of which the second is tried often: the scheduler may
// take a place away more than once until who is more important has it.
const lastingJobs = `
const { events, Job } = require("brigadier");
events.on("exec", async () => {
  await new Job("first", "busybox", ["true"]).run();
  const long = new Job("long", "busybox", ["sleep 1000"]);
  long.retry = 9;
  await long.run();
});`

// A job whose pod is taken away through no fault of its own runs again: evicted
// as `kubectl drain` does it, or for a pod of higher priority, as the scheduler
// does it. The job before it is not repeated, and the build succeeds.
func TestEvictedAndPreemptedJobs(t *testing.T) {
	for name, take := range map[string]func(s *site, pod string) (undo func()){
		"evicted": func(s *site, pod string) func() {
			review := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, s.ns)
			out, err := s.c.Run(s.t.Context(), strings.NewReader(review), "create", "--raw", "/api/v1/namespaces/"+s.ns+"/pods/"+pod+"/eviction", "-f", "-")
			if err != nil {
				s.t.Fatalf("%v\n%s", err, out)
			}
			return func() {}
		},
		"preempted": func(s *site, _ string) func() {
			class := "important-" + s.ns
			s.c.Apply(s.t, s.ns, fmt.Sprintf(`{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":%q},"value":1000000}`, class))
			s.c.Apply(s.t, s.ns, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"important","annotations":{"fake.brigade.sh/nap":"forever"}},"spec":{"priorityClassName":%q,"containers":[{"name":"c","image":"x"}]}}`, class))
			s.runs("important")
			return func() {
				s.kubectl("delete", "pod", "important")
				s.kubectl("delete", "priorityclass", class)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode("long-")
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run, Pods: 1}, lastingJobs)
			c, _ := s.start(s.options())
			s.leads(c)
			b := s.build()
			s.runs("long-" + b)
			uid := s.get("pod", "long-"+b, ".metadata.uid")
			undo := take(s, "long-"+b)
			testcluster.Until(t, "the pod is gone", func() error {
				if s.get("pod", "long-"+b, ".metadata.uid") == uid {
					return errors.New("it is there")
				}
				return nil
			})
			undo()
			s.runs("long-" + b)
			n.counted(t, "long-"+b, 2)
			s.finish("long-"+b, 0)
			status := s.state(b, brigade.StateSucceeded)
			n.once(t, "first-"+b)
			if status["attempt"] != 1.0 {
				t.Errorf("the build itself was started again: %v", status)
			}
			if job := s.get("pod", "long-"+b, ".metadata.annotations.brigade\\.sh/job"); !strings.Contains(job, `"attempt":`) || strings.Contains(job, `"attempt":1,`) {
				t.Errorf("the job is %s", job)
			}
		})
	}
}

// Where the API server enforces the Pod Security Standard "restricted", a job
// that does not fit fails with the rule that it breaks, and with what the
// documentation says jobs and workers are let in.
func TestRestrictedNamespaces(t *testing.T) {
	const job = `
const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const job = new Job("one", "busybox", ["true"]);
  job.storage.enabled = job.cache.enabled = true;
  await job.run();
});`
	enforced := func(t *testing.T, more map[string]string) *site {
		s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: newNode().run}, job)
		s.c.Kubectl(t, "label", "namespace", s.ns, "pod-security.kubernetes.io/enforce=restricted")
		s.project(map[string]string{"defaultScript": job, "cloneURL": more["cloneURL"]})
		return s
	}
	t.Run("refused", func(t *testing.T) {
		s := enforced(t, nil)
		c, _ := s.start(s.options())
		s.leads(c)
		why := fmt.Sprint(s.state(s.build(), brigade.StateFailed)["failure"])
		for _, want := range []string{`job "one" cannot be started`, "violates PodSecurity", "restricted", "allowPrivilegeEscalation", "runAsNonRoot"} {
			if !strings.Contains(why, want) {
				t.Errorf("there is no %q in %s", want, why)
			}
		}
	})
	t.Run("let in", func(t *testing.T) {
		s := enforced(t, nil)
		opt := s.options()
		opt.Jobs.Restricted = true
		c, _ := s.start(opt)
		s.leads(c)
		b := s.build()
		s.state(b, brigade.StateSucceeded)
		if user := s.get("pod", "one-"+b, ".spec.securityContext.runAsUser"); user != "65532" {
			t.Errorf("the job runs as %q", user)
		}
	})
	t.Run("worker", func(t *testing.T) {
		s := enforced(t, map[string]string{"cloneURL": "https://example.org/app.git"}) // it has a sidecar
		opt := s.options()
		opt.InPods, opt.Jobs.Restricted = true, true
		opt.Workers.Image, opt.Workers.Own, opt.Workers.ServiceAccount = "brig", true, "brigade-worker"
		opt.Jobs.VCSImage, opt.Jobs.VCSCommand = "brig", []string{"/brig", "vcs"}
		c, _ := s.start(opt)
		s.leads(c)
		b := s.build()
		s.state(b, brigade.StateSucceeded)
		if sidecar := s.get("pod", "brigade-worker-"+b, ".spec.initContainers[0].name"); sidecar != "vcs-sidecar" {
			t.Errorf("the worker has the init container %q", sidecar)
		}
	})
	t.Run("foreign worker", func(t *testing.T) {
		s := enforced(t, nil)
		opt := s.options()
		opt.InPods, opt.Workers.Image = true, "somebody/worker"
		c, _ := s.start(opt)
		s.leads(c)
		why := fmt.Sprint(s.state(s.build(), brigade.StateFailed)["failure"])
		if !strings.Contains(why, "violates PodSecurity") || !strings.Contains(why, "runAsNonRoot") {
			t.Errorf("the build failed: %s", why)
		}
	})
}
