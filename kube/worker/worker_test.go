package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/worker"
	"github.com/brigadecore/brigade/v3/store/memory"
)

const build = "01hworkerbuild0000000000000"

// world is a namespace with a build, and a worker that runs it in a pod.
type world struct {
	t       *testing.T
	c       *testcluster.Cluster
	client  *cluster.Client
	store   brigade.Store
	worker  *worker.Worker
	run     brigade.ScriptRun
	abort   chan struct{}
	project *brigade.Project
	secret  *corev1.Secret
	places  *places // for jobs; nil: there are enough

	mu    sync.Mutex
	lines []string
}

// newWorld has pods of the build end as fate says.
func newWorld(t *testing.T, fate func(*corev1.Pod) testcluster.Fate) *world {
	t.Helper()
	c := testcluster.Shared(t)
	w := &world{t: t, c: c, store: memory.New(memory.Options{}), abort: make(chan struct{}), project: brigade.NewProject("acme/app")}
	ns := c.Namespace(t)
	c.FakeNode(t, testcluster.FakeNodeOptions{Run: fate})
	c.Kubectl(t, "-n", ns, "create", "serviceaccount", "brigade-worker")
	w.client = open(t, c, ns)
	ctx := t.Context()
	b := &brigade.Build{ID: build, ProjectID: w.project.ID, Project: w.project.Name, State: brigade.StateRunning, Attempt: 1, Created: time.Now(), Event: brigade.Event{Type: "exec", Payload: "{}"}}
	must(t, w.store.PutProject(ctx, w.project))
	if _, err := w.store.CreateBuild(ctx, b); err != nil {
		t.Fatal(err)
	}
	secret, err := objects.BuildSecret(b, ns)
	must(t, err)
	made, err := w.client.Secrets("").Create(ctx, secret, metav1.CreateOptions{})
	must(t, err)
	projectSecret, err := objects.ProjectSecret(w.project, ns, nil)
	must(t, err)
	_, err = w.client.Secrets("").Create(ctx, projectSecret, metav1.CreateOptions{})
	must(t, err)
	w.run = brigade.ScriptRun{Build: b, Project: w.project, Abort: w.abort}
	w.secret = made
	w.worker = w.open(made)
	return w
}

func open(t *testing.T, c *testcluster.Cluster, ns string) *cluster.Client {
	t.Helper()
	client, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: ns})
	must(t, err)
	return client
}

// open is a process that follows worker pods.
func (w *world) open(secret *corev1.Secret) *worker.Worker {
	w.t.Helper()
	opt := worker.Options{
		Client: w.client, All: true, Image: "worker", Jobs: w.store, KeepLogs: true, Grace: time.Second,
		Secret: func(id string) (name, label string, ok bool) { return objects.WorkerName(id), id, id == build },
		Owner: func(context.Context, *brigade.Build) (*metav1.OwnerReference, error) {
			return &metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}, nil
		},
	}
	opt.Complete = func(j *brigade.Job) {
		if !j.State.Ended() {
			w.t.Errorf("job %s has not ended", j.ID)
		}
		j.Artifacts = []brigade.Artifact{{Name: "of " + j.Name}}
	}
	if w.places != nil {
		opt.Occupy = w.places.occupy
	}
	made, err := worker.New(w.t.Context(), opt)
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, made.Close()) })
	return made
}

// The host of the build.

func (w *world) RunJob(context.Context, brigade.JobSpec) (brigade.JobResult, error) {
	return brigade.JobResult{}, errors.New("the worker runs its jobs by itself")
}
func (w *world) JobLog(context.Context, string) (string, error) { return "", errors.New("likewise") }
func (w *world) Fired(brigade.Lifecycle)                        {}

func (w *world) Log(level brigade.LogLevel, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.SplitSeq(text, "\n") {
		w.lines = append(w.lines, line)
		must(w.t, w.store.AppendLog(context.Background(), []brigade.LogLine{{BuildID: build, Seq: int64(len(w.lines)), Level: level, Text: line}}))
	}
}

// said are the lines but those that tell of pods.
func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var said []string
	for _, line := range w.lines {
		if !strings.HasPrefix(line, "[brigade] worker pod ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, "\n")
}

type outcome struct {
	result brigade.ScriptResult
	err    error
}

// start runs the script in the background.
func (w *world) start(ctx context.Context) <-chan outcome {
	over := make(chan outcome, 1)
	go func() {
		result, err := w.worker.RunScript(ctx, w.run, w)
		over <- outcome{result, err}
	}()
	return over
}

// wait is how the script ended.
func (w *world) wait(over <-chan outcome) outcome {
	w.t.Helper()
	select {
	case o := <-over:
		return o
	case <-time.After(3 * time.Minute):
		w.t.Fatal("the worker is not followed to its end")
		return outcome{}
	}
}

// pod is the worker's pod, nil when there is none.
func (w *world) pod() *corev1.Pod {
	pod, err := w.client.Pods("").Get(context.Background(), objects.WorkerName(build), metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return pod
}

// running waits until the worker's pod runs and is another one than before.
func (w *world) running(before *corev1.Pod) *corev1.Pod {
	w.t.Helper()
	var pod *corev1.Pod
	testcluster.Until(w.t, "the worker runs", func() error {
		pod = w.pod()
		switch {
		case pod == nil:
			return errors.New("there is no pod")
		case before != nil && pod.UID == before.UID:
			return errors.New("it is the pod of before")
		case pod.Status.Phase != corev1.PodRunning:
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	})
	return pod
}

func fate(f testcluster.Fate) func(*corev1.Pod) testcluster.Fate {
	return func(*corev1.Pod) testcluster.Fate { return f }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWorkersEnd(t *testing.T) {
	told := string(worker.EncodeResult(brigade.ScriptResult{Handled: true, Failure: brigade.Errorf(brigade.CodeJobTimeout, "too slow")}))
	for name, c := range map[string]struct {
		fate testcluster.Fate
		code brigade.Code
		exit int
		log  string
	}{
		"well":    {fate: testcluster.Fate{Log: "one\ntwo\n"}, log: "one\ntwo"},
		"badly":   {fate: testcluster.Fate{Exit: 4, Log: "oops\n"}, code: brigade.CodeBuildFailed, exit: 4, log: "oops"},
		"telling": {fate: testcluster.Fate{Exit: 1, Message: told}, code: brigade.CodeJobTimeout, exit: 1},
		"never":   {fate: testcluster.Fate{Waiting: "ImagePullBackOff"}, code: brigade.CodeImagePull},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fate(c.fate))
			o := w.wait(w.start(t.Context()))
			code := brigade.CodeOf(o.err)
			if o.err == nil && o.result.Failure != nil {
				code = o.result.Failure.Code
			}
			if code != c.code || o.result.ExitCode != c.exit || w.said() != c.log {
				t.Errorf("code %q, result %+v, %v, log %q", code, o.result, o.err, w.said())
			}
		})
	}
}

// A pod that is taken away is told as a crash: whoever runs the build starts it
// again, and gets a new pod of the same name.
func TestLostWorkersAreStartedAgain(t *testing.T) {
	n := 0
	w := newWorld(t, func(*corev1.Pod) testcluster.Fate {
		if n++; n == 1 {
			return testcluster.Fate{Nap: testcluster.Forever, Log: "first\n"}
		}
		return testcluster.Fate{Log: "second\n"}
	})
	over := w.start(t.Context())
	first := w.running(nil)
	w.c.Kubectl(t, "-n", w.client.Namespace, "delete", "pod", first.Name, "--wait=false", "--grace-period=1")
	if o := w.wait(over); brigade.CodeOf(o.err) != brigade.CodeScriptCrashed {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	if o := w.wait(w.start(t.Context())); o.err != nil || o.result.Failure != nil {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
	if pod := w.pod(); pod == nil || pod.UID == first.UID {
		t.Errorf("pod = %v", pod)
	}
	if said := w.said(); said != "first\nsecond" && said != "second" { // what a deleted pod printed may be lost
		t.Errorf("log = %q", said)
	}
}

// An evicted pod stays, and is in the way of the next.
func TestEvictedWorkersMakeRoom(t *testing.T) {
	n := 0
	w := newWorld(t, func(*corev1.Pod) testcluster.Fate {
		if n++; n == 1 {
			return testcluster.Fate{Exit: 137, Reason: "Evicted"}
		}
		return testcluster.Fate{}
	})
	if o := w.wait(w.start(t.Context())); brigade.CodeOf(o.err) != brigade.CodeScriptCrashed {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	if o := w.wait(w.start(t.Context())); o.err != nil || o.result.Failure != nil {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
}

// Who goes on with a build after a restart finds its pod, and does not repeat
// what is in the log.
func TestWorkersAreFoundAgain(t *testing.T) {
	w := newWorld(t, fate(testcluster.Fate{Nap: testcluster.Forever, Log: "one\ntwo\n"}))
	ctx, handOver := context.WithCancelCause(t.Context())
	over := w.start(ctx)
	pod := w.running(nil)
	testcluster.Until(t, "its log is there", func() error {
		if said := w.said(); said != "one\ntwo" {
			return fmt.Errorf("log = %q", said)
		}
		return nil
	})
	leave := errors.New("another one goes on")
	handOver(leave)
	if o := w.wait(over); !errors.Is(o.err, leave) {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	again := w.start(t.Context())
	if now := w.running(nil); now.UID != pod.UID || now.DeletionTimestamp != nil {
		t.Fatalf("it is another pod: %v", now)
	}
	w.c.Kubectl(t, "-n", w.client.Namespace, "delete", "pod", pod.Name, "--wait=false", "--grace-period=1")
	if o := w.wait(again); brigade.CodeOf(o.err) != brigade.CodeScriptCrashed {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	if said := w.said(); said != "one\ntwo" {
		t.Errorf("log = %q", said)
	}
}

// A worker that ended while nobody looked is not run again.
func TestEndedWorkersAreNotRepeated(t *testing.T) {
	w := newWorld(t, fate(testcluster.Fate{Exit: 5}))
	if o := w.wait(w.start(t.Context())); o.result.ExitCode != 5 {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	pod := w.pod()
	if o := w.wait(w.start(t.Context())); o.result.ExitCode != 5 {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
	if now := w.pod(); now == nil || now.UID != pod.UID {
		t.Errorf("another pod was made: %v", now)
	}
	w.run.Build.Retries = 1 // the whole build is retried: that is another run
	if o := w.wait(w.start(t.Context())); o.result.ExitCode != 5 {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
	if now := w.pod(); now == nil || now.UID == pod.UID {
		t.Errorf("no other pod was made: %v", now)
	}
}

// Who cancels a build tells its worker so, and ends it.
func TestAbortedWorkersAreStopped(t *testing.T) {
	w := newWorld(t, fate(testcluster.Fate{Nap: testcluster.Forever}))
	if _, err := w.store.UpdateBuild(t.Context(), build, func(b *brigade.Build) error {
		b.Cancel = &brigade.CancelRequest{Actor: "ann", Reason: "no need"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var told sync.Map
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	view := cluster.Watch(ctx, w.client.Pods(""), cluster.ViewOptions[*corev1.Pod]{})
	view.Subscribe(func(e cluster.Event[*corev1.Pod]) {
		if text := e.Object().Annotations[objects.AnnotationCancel]; text != "" {
			told.Store("cancel", text)
		}
	})
	over := w.start(t.Context())
	w.running(nil)
	close(w.abort)
	if o := w.wait(over); brigade.CodeOf(o.err) != brigade.CodeCanceled {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
	testcluster.Until(t, "the worker was told and its pod is gone", func() error {
		text, _ := told.Load("cancel")
		if text == nil || !strings.Contains(text.(string), "ann") || w.pod() != nil {
			return fmt.Errorf("told %v, pod %v", text, w.pod() != nil)
		}
		return nil
	})
}

// While the quota is used up the build waits.
func TestWorkersWaitForQuota(t *testing.T) {
	w := newWorld(t, fate(testcluster.Fate{}))
	w.c.Apply(t, w.client.Namespace, `{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"none"},"spec":{"hard":{"pods":"0"}}}`)
	testcluster.Until(t, "the quota holds", func() error {
		if text := w.c.Kubectl(t, "-n", w.client.Namespace, "get", "quota", "none", "-o", "jsonpath={.status.hard.pods}"); text != "0" {
			return errors.New("not yet")
		}
		return nil
	})
	over := w.start(t.Context())
	select {
	case o := <-over:
		t.Fatalf("result = %+v, %v", o.result, o.err)
	case <-time.After(2 * time.Second): // at least one try was refused by then
	}
	w.c.Kubectl(t, "-n", w.client.Namespace, "delete", "quota", "none")
	if o := w.wait(over); o.err != nil || o.result.Failure != nil {
		t.Errorf("result = %+v, %v", o.result, o.err)
	}
}
