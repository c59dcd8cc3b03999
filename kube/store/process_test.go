package store_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/store"
)

// Two gateways take the same events at the same time: each starts one build.
func TestTwoGatewaysOneBuild(t *testing.T) {
	const events = 40
	w := newWorld(t)
	controller := w.open(store.Options{})
	var gateways []*store.Store
	for range 2 {
		gateways = append(gateways, w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeProjects}))
	}
	answers := make([][2]string, events)
	var wg sync.WaitGroup
	for n := range events {
		for g, gateway := range gateways {
			wg.Go(func() {
				b := newBuild(2*n + g)
				b.Event.Key = fmt.Sprint("delivery ", n)
				got, err := gateway.CreateBuild(t.Context(), b)
				if err != nil {
					t.Errorf("event %d at gateway %d: %v", n, g, err)
					return
				}
				answers[n][g] = got.ID
			})
		}
	}
	wg.Wait()
	for n, a := range answers {
		if a[0] != a[1] {
			t.Errorf("event %d became %s and %s", n, a[0], a[1])
		}
	}
	secrets, err := w.client.Secrets("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=" + string(objects.TypeBuild)})
	must(t, err)
	if len(secrets.Items) != events {
		t.Errorf("%d events became %d builds", events, len(secrets.Items))
	}
	until(t, "the controller has all", func() bool {
		all, err := controller.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
		must(t, err)
		return len(all) == events
	})
	// Later, too, through any process.
	again := newBuild(1000)
	again.Event.Key = "delivery 7"
	for _, s := range []*store.Store{controller, gateways[0], w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeProjects})} {
		got, err := s.CreateBuild(t.Context(), again)
		must(t, err)
		if got.ID != answers[7][0] || got.Event.Key != "delivery 7" {
			t.Errorf("a repeat became %s, the first was %s", got.ID, answers[7][0])
		}
	}
}

// A gateway dies after it has marked an event and before it has stored the
// build: whoever gets the event again stores it.
func TestGatewayDiesInBetween(t *testing.T) {
	w := newWorld(t)
	s := w.open(store.Options{})
	dead := newBuild(1)
	_, err := w.client.ConfigMaps("").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: objects.EventKeyName(projectID, "k"), Labels: objects.EventKeyLabels(projectID)},
		Data:       map[string]string{"build": dead.ID},
	}, metav1.CreateOptions{})
	must(t, err)
	for n := 2; n < 4; n++ {
		b := newBuild(n)
		b.Event.Key = "k"
		got, err := s.CreateBuild(t.Context(), b)
		must(t, err)
		if got.ID != dead.ID || got.Event.Payload != "payload 2" {
			t.Errorf("the event became %s with %q", got.ID, got.Event.Payload)
		}
	}
}

// pod returns the manifest of a pod as v1 and this program make them, for a
// fake node.
func pod(name, component, build, runner string, fate map[string]string) string {
	annotations := ""
	for k, v := range fate {
		annotations += fmt.Sprintf("    %s: %q\n", k, v)
	}
	if runner != "" {
		annotations += fmt.Sprintf("    %s: %s\n", objects.AnnotationRunner, runner)
	}
	if annotations == "" {
		annotations = "    none: \"\"\n"
	}
	container := objects.ContainerJob
	if component == objects.ComponentBuild {
		container = objects.ContainerWorker
	}
	return fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata:
  name: %s
  labels: {heritage: brigade, component: %s, build: %s, jobname: %s, project: %s}
  annotations:
%sspec:
  restartPolicy: Never
  containers: [{name: %s, image: "alpine:3.8"}]
`, name, component, build, strings.TrimSuffix(name, "-"+build), projectID, annotations, container)
}

// A store in memory has forgotten everything when its process starts again.
// Secrets and pods tell what was.
func TestRestartWithoutMemory(t *testing.T) {
	w := newWorld(t)
	w.cluster.FakeNode(t, testcluster.FakeNodeOptions{})
	first := w.open(store.Options{})
	ended, running, waiting := newBuild(1), newBuild(2), newBuild(3)
	waiting.NotBefore, waiting.Priority, waiting.Event.Actor = time.Now().Add(-time.Second).UTC(), 7, "octocat"
	for _, b := range []*brigade.Build{ended, running, waiting} {
		_, err := first.CreateBuild(t.Context(), b)
		must(t, err)
	}
	for _, b := range []*brigade.Build{ended, running} {
		_, err := first.Claim(t.Context(), b.ID, "me", time.Hour)
		must(t, err)
		_, err = first.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
			b.State, b.Started = brigade.StateRunning, time.Now()
			return nil
		})
		must(t, err)
	}
	_, err := first.UpdateBuild(t.Context(), ended.ID, func(b *brigade.Build) error {
		b.State, b.ExitCode, b.Ended, b.Lease = brigade.StateFailed, 3, time.Now(), brigade.Lease{}
		b.Failure = brigade.Errorf(brigade.CodeJobTimeout, "too late")
		return nil
	})
	must(t, err)
	// Two jobs of the running build: one is done, one goes on.
	done := &brigade.Job{
		ID: "done-" + running.ID, BuildID: running.ID, Name: "done", State: brigade.StateRunning, Attempt: 1, Created: time.Now().UTC(),
		Spec: brigade.JobSpec{Name: "done", Image: "alpine:3.8", Tasks: []string{"echo hi"}}, Handle: "x",
	}
	must(t, first.PutJob(t.Context(), done))
	record, err := objects.JobRecord(done)
	must(t, err)
	w.cluster.Apply(t, w.ns, pod(done.ID, "job", running.ID, "controller", map[string]string{objects.AnnotationJob: record, testcluster.FakeLog: "hi\n"})+
		pod("going-"+running.ID, "job", running.ID, "controller", map[string]string{testcluster.FakeNap: "forever"}))
	awaitPhase(t, w, done.ID, corev1.PodSucceeded)
	done.State, done.Ended, done.ExitCode = brigade.StateSucceeded, time.Now().UTC(), 0
	done.Outputs = map[string]any{"version": "1.2"}
	must(t, first.PutJob(t.Context(), done))
	// And one has ended while nobody looked.
	w.cluster.Apply(t, w.ns, pod("unseen-"+running.ID, "job", running.ID, "controller", nil))
	awaitPhase(t, w, "unseen-"+running.ID, corev1.PodSucceeded)
	awaitPhase(t, w, "going-"+running.ID, corev1.PodRunning)
	must(t, first.Close())

	second := w.open(store.Options{Client: w.connect(&requests{})})
	b, err := second.Build(t.Context(), ended.ID)
	must(t, err)
	if b.State != brigade.StateFailed || b.ExitCode != 3 || b.Failure == nil || b.Failure.Code != brigade.CodeJobTimeout || b.Event.Payload != "payload 1" {
		t.Errorf("the ended build is %+v", b)
	}
	queue, err := second.Waiting(t.Context(), 9, 9)
	must(t, err)
	if len(queue) != 2 || queue[0].ID != waiting.ID || queue[1].ID != running.ID || queue[1].Attempt != 1 || queue[0].Event.Actor != "octocat" {
		t.Errorf("to be claimed are %+v", queue)
	}
	jobs, err := second.ListJobs(t.Context(), running.ID)
	must(t, err)
	states := map[string]brigade.State{}
	for _, j := range jobs {
		states[j.Name] = j.State
		if j.Name == "done" && (j.Outputs["version"] != "1.2" || j.Spec.Tasks[0] != "echo hi" || j.Attempt != 1) {
			t.Errorf("the finished job is %+v", j)
		}
	}
	if len(jobs) != 3 || states["done"] != brigade.StateSucceeded || states["going"] != brigade.StateRunning || states["unseen"] != brigade.StateRunning {
		t.Errorf("the jobs are %v", states)
	}
	lines, err := second.ReadLog(t.Context(), brigade.LogQuery{BuildID: running.ID, JobID: done.ID})
	must(t, err)
	if len(lines) != 1 || lines[0].Text != "hi" || lines[0].Seq != 1 {
		t.Errorf("the finished job's log is %+v", lines)
	}
}

func awaitPhase(t *testing.T, w *world, name string, phase corev1.PodPhase) {
	t.Helper()
	until(t, name+" is "+string(phase), func() bool {
		p, err := w.client.Pods("").Get(t.Context(), name, metav1.GetOptions{})
		must(t, err)
		return p.Status.Phase == phase
	})
}

// An installation of v1 is taken over: what it has started is not run again.
func TestBuildsThatV1HasStarted(t *testing.T) {
	w := newWorld(t)
	w.cluster.FakeNode(t, testcluster.FakeNodeOptions{})
	manifest := v1Project
	const gone, done, bad, on = "01v1gone", "01v1done", "01v1bad", "01v1on"
	for _, id := range []string{gone, done, bad, on} {
		manifest += strings.Replace(v1Build("brigade-worker-"+id, id, ""), "component: build", "component: build\n    status: accepted", 1)
	}
	w.cluster.Apply(t, w.ns, manifest+
		pod("brigade-worker-"+done, "build", done, "", map[string]string{testcluster.FakeLog: "with geheim in it\nand more\n"})+
		pod("brigade-worker-"+bad, "build", bad, "", map[string]string{testcluster.FakeExit: "5"})+
		pod("brigade-worker-"+on, "build", on, "", map[string]string{testcluster.FakeNap: "forever"})+
		pod("unit-"+done, "job", done, "", map[string]string{testcluster.FakeLog: "tests\n"}))
	awaitPhase(t, w, "brigade-worker-"+done, corev1.PodSucceeded)
	awaitPhase(t, w, "brigade-worker-"+bad, corev1.PodFailed)
	awaitPhase(t, w, "brigade-worker-"+on, corev1.PodRunning)
	awaitPhase(t, w, "unit-"+done, corev1.PodSucceeded)
	check := func(s *store.Store) {
		t.Helper()
		queue, err := s.Waiting(t.Context(), 9, 9)
		must(t, err)
		if len(queue) != 0 {
			t.Errorf("%d of v1's builds would be run again", len(queue))
		}
		for id, want := range map[string]brigade.State{gone: brigade.StateFailed, done: brigade.StateSucceeded, bad: brigade.StateFailed, on: brigade.StateRunning} {
			b, err := s.Build(t.Context(), id)
			must(t, err)
			if b.State != want || id == bad && b.ExitCode != 5 || id == gone && brigade.CodeOf(b.Failure) != brigade.CodeJobLost {
				t.Errorf("build %s is %s, %v", id, b.State, b.Failure)
			}
		}
		jobs, err := s.ListJobs(t.Context(), done)
		must(t, err)
		if len(jobs) != 1 || jobs[0].Name != "unit" || jobs[0].State != brigade.StateSucceeded || jobs[0].Spec.Image != "alpine:3.8" {
			t.Errorf("its jobs are %+v", jobs)
		}
		for job, want := range map[string]string{"": "with *** in it", "unit-" + done: "tests"} {
			lines, err := s.ReadLog(t.Context(), brigade.LogQuery{BuildID: done, JobID: job})
			must(t, err)
			if len(lines) == 0 || lines[0].Text != want {
				t.Errorf("the log of %q is %+v", job, lines)
			}
		}
	}
	s := w.open(store.Options{})
	check(s)
	check(w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeOnce}))

	// A command finds a job by its ID alone.
	count := &requests{}
	once := w.open(store.Options{Client: w.connect(count), Scope: store.ScopeOnce})
	if j, err := once.Job(t.Context(), "unit-"+done); err != nil || j.BuildID != done {
		t.Errorf("the job is %+v, %v", j, err)
	}
	if _, err := once.Job(t.Context(), "no-such-job-"+done+"-2"); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Errorf("a job that is not there: %v", err)
	}

	// The one that runs ends before our eyes, and that is written down.
	w.cluster.Kubectl(t, "-n", w.ns, "delete", "pod", "brigade-worker-"+on, "--grace-period=0", "--force")
	until(t, "its end is seen", func() bool {
		b, err := s.Build(t.Context(), on)
		must(t, err)
		return b.State == brigade.StateFailed
	})
	until(t, "its end is written down", func() bool {
		secret, err := w.client.Secrets("").Get(t.Context(), "brigade-worker-"+on, metav1.GetOptions{})
		must(t, err)
		return secret.Labels[objects.LabelState] == "failed"
	})
	// Logs that were read of ended builds are kept, also without the pods.
	w.cluster.Kubectl(t, "-n", w.ns, "delete", "pod", "brigade-worker-"+done, "--grace-period=0", "--force")
	lines, err := s.ReadLog(t.Context(), brigade.LogQuery{BuildID: done, After: 1})
	must(t, err)
	if len(lines) != 1 || lines[0].Text != "and more" {
		t.Errorf("the rest of the log is %+v", lines)
	}
	// Deleting one takes along what v1 has made and what belongs to nobody.
	must(t, s.DeleteBuild(t.Context(), done))
	until(t, "its job's pod is gone", func() bool {
		left, err := w.client.Pods("").List(t.Context(), metav1.ListOptions{LabelSelector: "build=" + done})
		must(t, err)
		return len(left.Items) == 0
	})
}

// A thousand builds that others make: no request for any, one for each change
// of state, and little memory.
func TestThousandBuilds(t *testing.T) {
	const builds = 1000
	w := newWorld(t)
	gateway := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeProjects})
	before := heap()
	s := w.open(store.Options{})
	make := func(from, to int) {
		var wg sync.WaitGroup
		for part := range 8 {
			wg.Go(func() {
				for n := from + part; n < to; n += 8 {
					b := newBuild(n)
					b.Event.Payload = strings.Repeat("x", 2000)
					if _, err := gateway.CreateBuild(t.Context(), b); err != nil {
						t.Errorf("build %d: %v", n, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	make(0, builds)
	until(t, "all are there", func() bool {
		all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
		must(t, err)
		return len(all) == builds
	})
	if got := fmt.Sprint(w.requests.take()); got != "map[WATCH pods:1 WATCH secrets:2]" {
		t.Errorf("to see %d builds it took %s", builds, got)
	}
	t.Logf("%d builds take %d KiB of memory, those that the gateway made among them", builds, (heap()-before)>>10)
	if used := heap() - before; used > 64<<20 {
		t.Errorf("%d builds take %d MiB of memory", builds, used>>20)
	}
	const run = 50
	for n := range run {
		b, err := s.Claim(t.Context(), "", "me", time.Hour)
		must(t, err)
		_, err = s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { b.State = brigade.StateRunning; return nil })
		must(t, err)
		_, err = s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { b.Script = "the script"; return nil })
		must(t, err)
		must(t, s.Renew(t.Context(), b.ID, "me", time.Hour))
		_, err = s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
			b.State, b.Ended = brigade.StateSucceeded, time.Now()
			return nil
		})
		must(t, err)
		if b.Event.Payload != strings.Repeat("x", 2000) {
			t.Fatalf("build %d was claimed with %q", n, b.Event.Payload)
		}
	}
	if got, want := fmt.Sprint(w.requests.take()), fmt.Sprintf("map[PATCH secrets:%d]", 2*run); got != want {
		t.Errorf("to run %d builds it took %s, want %s", run, got, want)
	}
	// An ended one has its payload in the Secret only.
	b, err := s.Build(t.Context(), newBuild(0).ID)
	must(t, err)
	if b.State != brigade.StateSucceeded || len(b.Event.Payload) != 2000 || b.Script != "the script" {
		t.Errorf("an ended build is %+v", b)
	}
	if got := fmt.Sprint(w.requests.take()); got != "map[GET secrets:1]" {
		t.Errorf("to read it took %s", got)
	}
	// And one look by a command.
	count := &requests{}
	once := w.open(store.Options{Client: w.connect(count), Scope: store.ScopeOnce})
	all, err := once.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
	must(t, err)
	if got := fmt.Sprint(count.take()); got != "map[GET secrets:2]" || len(all) != builds {
		t.Errorf("a command lists %d builds with %s", len(all), got)
	}
	one, err := w.open(store.Options{Client: w.connect(count), Scope: store.ScopeOnce}).Build(t.Context(), newBuild(77).ID)
	must(t, err)
	if got := fmt.Sprint(count.take()); got != "map[GET secrets:1]" || one.ID != newBuild(77).ID {
		t.Errorf("a command reads a build with %s", got)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The event of a build that was deleted, by whomever, starts no second one: a
// gateway that knows nothing finds out.
func TestEventsOfDeletedBuilds(t *testing.T) {
	w := newWorld(t)
	controller := w.open(store.Options{})
	gateway := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeProjects})
	event := func(n int, key string) *brigade.Build {
		b := newBuild(n)
		b.Created, b.Event.Key = time.Now(), key
		return b
	}
	ended := func(n int, key string) *brigade.Build {
		t.Helper()
		b, err := gateway.CreateBuild(t.Context(), event(n, key))
		must(t, err)
		until(t, "the controller has the build", func() bool { _, err := controller.Build(t.Context(), b.ID); return err == nil })
		_, err = controller.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { b.State, b.Ended = brigade.StateFailed, time.Now(); return nil })
		must(t, err)
		return b
	}
	kubectl, own := ended(1, "one"), ended(2, "two")
	w.cluster.Kubectl(t, "-n", w.ns, "delete", "secret", objects.WorkerName(kubectl.ID))
	must(t, controller.DeleteBuild(t.Context(), own.ID))
	for n, gone := range []*brigade.Build{kubectl, own} {
		until(t, "the mark says that the build was deleted", func() bool {
			mark, err := w.client.ConfigMaps("").Get(t.Context(), objects.EventKeyName(gone.ProjectID, gone.Event.Key), metav1.GetOptions{})
			must(t, err)
			return mark.Data["gone"] == string(brigade.StateFailed)
		})
		fresh := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeProjects})
		for _, s := range []*store.Store{fresh, controller} {
			got, err := s.CreateBuild(t.Context(), event(10+n, gone.Event.Key))
			must(t, err)
			if got.ID != gone.ID || got.State != brigade.StateFailed || got.Event.Key != gone.Event.Key {
				t.Errorf("the event of a deleted build became %+v", got)
			}
		}
	}
	secrets, err := w.client.Secrets("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=" + string(objects.TypeBuild)})
	must(t, err)
	if len(secrets.Items) != 0 {
		t.Errorf("there are %d builds", len(secrets.Items))
	}
}
