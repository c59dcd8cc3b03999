package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
)

// places are those for jobs that run at once.
type places struct {
	mu            sync.Mutex
	limit         int
	used, waiting int
	changed       chan struct{} // closed and made anew with every change
	projects      map[string]bool
}

func newPlaces(limit int) *places {
	return &places{limit: limit, changed: make(chan struct{}), projects: map[string]bool{}}
}

// now changes the numbers.
func (p *places) now(used, waiting int) {
	p.used, p.waiting = p.used+used, p.waiting+waiting
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *places) occupy(ctx context.Context, project string, runs bool) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.projects[project] = true
	p.now(0, 1)
	for !runs && p.used >= p.limit {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			p.now(0, -1)
			return nil, ctx.Err()
		}
	}
	p.now(1, -1)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now(-1, 0)
	}, nil
}

// are waits until so many are taken and so many wait for one.
func (p *places) are(t *testing.T, used, waiting int) {
	t.Helper()
	testcluster.Until(t, fmt.Sprintf("%d places are taken, and %d wait for one", used, waiting), func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.used != used || p.waiting != waiting {
			return fmt.Errorf("%d are taken, %d wait", p.used, p.waiting)
		}
		return nil
	})
}

// gated makes a pod as our worker makes it where jobs wait for their turn.
func (w *world) gated(name string, gates ...string) {
	w.t.Helper()
	list := `{"name":"brigade.sh/turn"}`
	for _, gate := range gates {
		list += `,{"name":"` + gate + `"}`
	}
	w.c.Apply(w.t, w.client.Namespace, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s-%s","labels":{"heritage":"brigade","component":"job","jobname":"%s","build":"%s","project":"%s"},
"annotations":{"fake.brigade.sh/nap":"forever","brigade.sh/runner":"worker"}},"spec":{"restartPolicy":"Never","schedulingGates":[%s],"containers":[{"name":"brigaderun","image":"busybox"}]}}`,
		name, build, name, build, w.project.ID, list))
}

// gates are those that the jobs still have, "job:gate" in the order of jobs.
func (w *world) gates() string {
	w.t.Helper()
	list, err := w.client.Pods("").List(w.t.Context(), metav1.ListOptions{LabelSelector: "component=job"})
	must(w.t, err)
	var all []string
	for _, pod := range list.Items {
		for _, gate := range pod.Spec.SchedulingGates {
			all = append(all, strings.TrimSuffix(pod.Name, "-"+build)+":"+gate.Name)
		}
	}
	return strings.Join(all, " ")
}

func (w *world) gatesAre(want string) {
	w.t.Helper()
	testcluster.Until(w.t, "the gates are "+want, func() error {
		if got := w.gates(); got != want {
			return errors.New(got)
		}
		return nil
	})
}

func (w *world) end(job string) {
	w.t.Helper()
	w.c.Kubectl(w.t, "-n", w.client.Namespace, "delete", "pod", job+"-"+build, "--wait=false", "--grace-period=0", "--force")
}

// TestTurns has jobs of a worker begin when there is a place for them, also
// after another controller took over.
func TestTurns(t *testing.T) {
	w := newWorld(t, func(pod *corev1.Pod) testcluster.Fate {
		f := testcluster.FateOf(pod)
		if strings.HasPrefix(pod.Name, "brigade-worker-") {
			f.Nap = testcluster.Forever
		}
		return f
	})
	must(t, w.worker.Close())
	w.places = newPlaces(2)
	w.worker = w.open(w.secret)
	ctx, handOver := context.WithCancel(t.Context())
	over := w.start(ctx)
	w.running(nil)
	w.jobPod("beside", `"fake.brigade.sh/nap":"forever","brigade.sh/runner":"controller"`) // the dispatcher counts it
	w.jobPod("done", `"fake.brigade.sh/exit":"0"`)
	w.jobPod("v1", `"fake.brigade.sh/nap":"forever"`) // asks nobody
	w.places.are(t, 1, 0)
	w.gated("a", "other.example.org/gate")
	w.gatesAre("a:other.example.org/gate") // that is somebody else's
	w.places.are(t, 2, 0)
	w.gated("b")
	w.places.are(t, 2, 1)
	w.gated("c")
	w.gated("d")
	w.places.are(t, 2, 3)
	if got := w.gates(); got != "a:other.example.org/gate b:brigade.sh/turn c:brigade.sh/turn d:brigade.sh/turn" {
		t.Errorf("the gates are %s", got)
	}
	w.end("d") // canceled while it waited
	w.places.are(t, 2, 2)
	w.end("v1")
	w.places.are(t, 2, 1)
	testcluster.Until(t, "one more begins", func() error {
		if got := w.gates(); strings.Count(got, "brigade.sh/turn") != 1 {
			return errors.New(got)
		}
		return nil
	})
	w.places.mu.Lock()
	if !w.places.projects[w.project.ID] {
		t.Errorf("the projects of the jobs are %v", w.places.projects)
	}
	w.places.mu.Unlock()
	// The next controller has room for one only, and two run.
	handOver()
	w.wait(over)
	must(t, w.worker.Close())
	before := w.gates()
	w.places = newPlaces(1)
	w.worker = w.open(w.secret)
	again := w.start(t.Context())
	w.places.are(t, 2, 1)
	w.end("a")
	w.places.are(t, 1, 1)
	if now := w.gates(); now != strings.TrimPrefix(before, "a:other.example.org/gate ") {
		t.Errorf("the gates are %s, before %s", now, before)
	}
	last := map[bool]string{true: "c", false: "b"}[strings.Contains(before, "b:")] // who got the second place
	w.end(last)
	w.gatesAre("")
	w.places.are(t, 1, 0)
	close(w.abort)
	w.wait(again)
}
