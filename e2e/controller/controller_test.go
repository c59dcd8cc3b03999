package controller_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
)

const oneJob = `const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const job = new Job("one", "busybox", ["echo hello"]);
  const result = await job.run();
  console.log("got " + result.toString());
});`

// A Secret that somebody made with kubectl becomes a build, with its script
// beside the controller and its job in a pod.
func TestControllerRunsBuilds(t *testing.T) {
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: logs("hello\n", 0)}, oneJob)
	opt := s.options()
	opt.Store = app.StoreSQLite
	c, _ := s.start(opt)
	s.leads(c)
	b := s.build()
	s.state(b, brigade.StateSucceeded)
	if label := s.get("secret", "brigade-worker-"+b, ".metadata.labels.status"); label != "accepted" {
		t.Errorf("label status=%q", label)
	}
	if kind := s.get("pod", "one-"+b, ".metadata.annotations.brigade\\.sh/runner"); kind != "controller" {
		t.Errorf("the job's pod: %q", kind)
	}
	if worker := s.get("pod", "brigade-worker-"+b, ".metadata.name"); worker != "" {
		t.Errorf("there is a worker pod %s", worker)
	}
	for path, want := range map[string]string{"/v1/build/" + b + "/logs?stream=true": "got hello", "/v1/job/one-" + b + "/logs?stream=true": "hello"} {
		if got := s.ask(c, opt, "api", path); !strings.Contains(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := s.ask(c, opt, "health", "/readyz"); !strings.Contains(got, "leading") {
		t.Errorf("ready: %q", got)
	}
	s.kubectl("delete", "secret", "brigade-worker-"+b)
	testcluster.Until(t, "what belongs to a deleted build goes", func() error {
		if left := s.get("pod", "one-"+b, ".metadata.name"); left != "" {
			return errors.New("the pod is there")
		}
		return nil
	})
}

// The same with a worker pod, as v1 has it: its exit code is the build's end.
func TestWorkerPodsDecide(t *testing.T) {
	for name, c := range map[string]struct {
		exit  int
		state brigade.State
	}{"well": {0, brigade.StateSucceeded}, "badly": {7, brigade.StateFailed}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: func(*corev1.Pod) testcluster.Fate {
				return testcluster.Fate{Exit: c.exit, Log: "from the worker\n"}
			}}, oneJob)
			opt := s.options()
			opt.InPods, opt.Workers.Image = true, "brigadecore/brigade-worker:v1.4.0"
			ctl, _ := s.start(opt)
			s.leads(ctl)
			b := s.build()
			status := s.state(b, c.state)
			if code, _ := status["exitCode"].(float64); int(code) != c.exit {
				t.Errorf("status = %v", status)
			}
			if got := s.ask(ctl, opt, "api", "/v1/build/"+b+"/logs?stream=true"); !strings.Contains(got, "from the worker") {
				t.Errorf("log = %q", got)
			}
		})
	}
}

// A project with a worker of its own gets a pod whatever the controller is told.
func TestCustomWorkersGetPods(t *testing.T) {
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{}, oneJob)
	s.project(map[string]string{"worker.name": "mine", "worker.tag": "1", "workerCommand": "run it"})
	ctl, _ := s.start(s.options())
	s.leads(ctl)
	b := s.build()
	s.state(b, brigade.StateSucceeded)
	if got := s.get("pod", "brigade-worker-"+b, ".spec.containers[0].image} {.spec.containers[0].command"); got != `mine:1 ["run","it"]` {
		t.Errorf("worker = %q", got)
	}
}

const twoJobs = `const { events, Job } = require("brigadier");
events.on("exec", async () => {
  await new Job("first", "busybox", ["true"]).run();
  await new Job("long", "busybox", ["sleep 1000"]).run();
});`

// When the leader ends, the next one goes on: the job that runs is found again,
// the one that is done is not repeated.
func TestNextLeaderGoesOn(t *testing.T) {
	for _, store := range []string{app.StoreMemory, app.StoreSQLite} {
		t.Run(store, func(t *testing.T) {
			n := newNode("long-")
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
			one, two := s.options(), s.options()
			one.Store, two.Store = store, store
			if store == app.StoreSQLite {
				two.Dirs = one.Dirs // the volume goes along
			}
			first, stop := s.start(one)
			s.leads(first)
			b := s.build()
			s.runs("long-" + b)
			stop()
			second, _ := s.start(two)
			s.leads(second)
			s.finish("long-"+b, 0)
			s.state(b, brigade.StateSucceeded)
			n.once(t, "first-"+b, "long-"+b)
		})
	}
}

// Of two controllers one works and carries the label by which the API's Service
// finds it; the other takes over at once when it ends.
func TestOneOfTwoLeads(t *testing.T) {
	n := newNode("long-")
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
	pods := []string{"ctrl-a", "ctrl-b"}
	var stops []func()
	var controllers []*app.Controller
	for _, pod := range pods {
		s.c.Apply(t, s.ns, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"`+pod+`","annotations":{"fake.brigade.sh/nap":"forever"}},"spec":{"containers":[{"name":"c","image":"brig"}]}}`)
		opt := s.options()
		opt.Pod = pod
		c, stop := s.start(opt)
		controllers, stops = append(controllers, c), append(stops, stop)
		if len(stops) == 1 {
			s.leads(c)
		}
	}
	labelled := func(want string) {
		t.Helper()
		testcluster.Until(t, "the label is at "+want, func() error {
			if got := strings.TrimSpace(s.kubectl("get", "pods", "-l", "brigade.sh/leader=true", "-o", "name")); got != want {
				return errors.New(got)
			}
			return nil
		})
	}
	labelled("pod/ctrl-a")
	if got := s.ask(controllers[1], s.options(), "health", "/readyz"); !strings.HasPrefix(got, "ok") {
		t.Errorf("the one that waits: %q", got)
	}
	b := s.build()
	s.runs("long-" + b)
	stops[0]()
	s.leads(controllers[1])
	labelled("pod/ctrl-b")
	s.finish("long-"+b, 0)
	s.state(b, brigade.StateSucceeded)
	n.once(t, "first-"+b, "long-"+b)
}

// Whoever annotates the build's Secret cancels it.
func TestCancelByAnnotation(t *testing.T) {
	for _, inPods := range []bool{false, true} {
		t.Run(map[bool]string{false: "beside the controller", true: "in a pod"}[inPods], func(t *testing.T) {
			n := newNode("long-", "brigade-worker-")
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
			opt := s.options()
			opt.InPods, opt.Workers.Image = inPods, "worker"
			c, _ := s.start(opt)
			s.leads(c)
			b := s.build()
			pod := "long-" + b
			if inPods {
				pod = "brigade-worker-" + b
			}
			s.runs(pod)
			s.kubectl("annotate", "secret", "brigade-worker-"+b, "brigade.sh/cancel=no need for it")
			status := s.state(b, brigade.StateCanceled)
			if text, _ := json.Marshal(status["failure"]); !strings.Contains(string(text), "no need for it") {
				t.Errorf("failure = %s", text)
			}
			testcluster.Until(t, "the pod is gone", func() error {
				if phase := s.get("pod", pod, ".status.phase"); phase == "Running" {
					return errors.New(phase)
				}
				return nil
			})
		})
	}
}

// A worker pod that is deleted is made again, and the build goes on.
func TestWorkerPodsAreMadeAgain(t *testing.T) {
	n := newNode("brigade-worker-")
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
	opt := s.options()
	opt.InPods, opt.Workers.Image = true, "worker"
	c, _ := s.start(opt)
	s.leads(c)
	b := s.build()
	pod := "brigade-worker-" + b
	first := s.runs(pod)
	s.kubectl("delete", "pod", pod, "--wait=false", "--grace-period=1")
	testcluster.Until(t, "another pod runs", func() error {
		if now := s.get("pod", pod, ".metadata.uid} {.status.phase"); strings.HasPrefix(now, first) || !strings.HasSuffix(now, " Running") {
			return errors.New(now)
		}
		return nil
	})
	s.finish(pod, 0)
	if status := s.state(b, brigade.StateSucceeded); status["attempt"] != 2.0 {
		t.Errorf("status = %v", status)
	}
}
