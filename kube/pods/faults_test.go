package pods_test

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
	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// bench is a runner in a namespace of its own, on a real node.
type bench struct {
	*testing.T
	c  *e2e.Cluster
	k  *cluster.Client
	ns string
	r  *pods.Runner
}

func newBench(t *testing.T, change func(*pods.Options)) *bench {
	t.Helper()
	c := e2e.SharedNode(t)
	return benchOn(t, c, change)
}

func benchOn(t *testing.T, c *e2e.Cluster, change func(*pods.Options)) *bench {
	t.Helper()
	ns := c.Namespace(t)
	return &bench{T: t, c: c, k: client(t, c, ns), ns: ns, r: newRunner(t, c, ns, change)}
}

// job is one on its way, with what was said of it.
type job struct {
	run brigade.JobRun
	mu  sync.Mutex
	out strings.Builder
	say []string
}

func (j *job) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(p)
}

func (j *job) output() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.String()
}

func (j *job) said(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(strings.Join(j.say, "\n"), text)
}

// job describes a job of a new build.
func (b *bench) job(name string, change func(*brigade.JobSpec), tasks ...string) *job {
	spec := brigade.JobSpec{Name: name, Image: e2e.Busybox, Tasks: tasks}.WithDefaults()
	if change != nil {
		change(&spec)
	}
	project := brigade.NewProject("acme/" + strings.ToLower(b.Name()))
	build := &brigade.Build{ID: id.New(time.Now()), ProjectID: project.ID, Project: project.Name}
	j := &job{}
	j.run = brigade.JobRun{
		Build: build, Project: project, Log: j,
		Job: &brigade.Job{ID: name + "-" + build.ID, BuildID: build.ID, Name: name, Spec: spec, State: brigade.StatePending, Attempt: 1, Created: time.Now()},
		Notify: func(state brigade.State, text string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.say = append(j.say, string(state)+": "+text)
		},
	}
	return j
}

// again is the same job with a log of its own.
func (j *job) again() *job {
	more := &job{run: j.run}
	own := *j.run.Job
	more.run.Job, more.run.Log = &own, more
	return more
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.Cleanup(cancel)
	return ctx
}

func (b *bench) start(j *job) brigade.Execution {
	b.Helper()
	x, err := b.r.Start(b.ctx(), j.run)
	if err != nil {
		b.Fatalf("Start: %v", err)
	}
	return x
}

// refused starts a job that has to fail to start.
func (b *bench) refused(j *job, code brigade.Code, says string) {
	b.Helper()
	x, err := b.r.Start(b.ctx(), j.run)
	if err == nil {
		_ = x.Stop(b.ctx(), 0)
		b.Fatalf("job %s was started", j.run.Job.Name)
	}
	if brigade.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
		b.Errorf("Start failed with %q (code %s), want code %s that says %q", err, brigade.CodeOf(err), code, says)
	}
}

func (b *bench) wait(x brigade.Execution) (brigade.Exit, error) {
	b.Helper()
	exit, err := x.Wait(b.ctx())
	if errors.Is(err, context.DeadlineExceeded) {
		b.Fatal("Wait takes too long")
	}
	return exit, err
}

func (b *bench) printed(j *job, text string) {
	b.Helper()
	e2e.Until(b, "the job prints "+text, func() error {
		if out := j.output(); !strings.Contains(out, text) {
			return fmt.Errorf("it printed %q", out)
		}
		return nil
	})
}

func (b *bench) pod(name string) *corev1.Pod {
	b.Helper()
	pod, err := b.k.Pods("").Get(b.ctx(), name, metav1.GetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return pod
}

// forever is a job's task that prints that it is there and takes long.
const forever = "echo ready; sleep 600"

func TestDeletedPod(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, grace := range []string{"0", "1"} {
		j := b.job("deleted-"+grace, nil, forever)
		x := b.start(j)
		b.printed(j, "ready")
		b.c.Kubectl(t, "-n", b.ns, "delete", "pod", j.run.Job.ID, "--wait=false", "--force="+fmt.Sprint(grace == "0"), "--grace-period="+grace)
		if _, err := b.wait(x); brigade.CodeOf(err) != brigade.CodeJobLost || !strings.Contains(err.Error(), "deleted its pod") {
			t.Errorf("grace %s: %v", grace, err)
		}
		next := j.again()
		next.run.Job.Attempt = 2
		next.run.Job.Spec.Tasks = []string{"echo second"}
		if exit, err := b.wait(b.start(next)); err != nil || exit.Code != 0 || next.output() != "second\n" {
			t.Errorf("the next attempt: %+v, %v, printed %q", exit, err, next.output())
		}
	}
}

// exhausted waits until the API server refuses pods for the quota: it learns of
// quotas, and of what is used, a moment after they are there.
func (b *bench) exhausted() {
	b.Helper()
	e2e.Until(b, "the quota is used up", func() error {
		_, err := b.c.Run(b.ctx(), nil, "-n", b.ns, "run", "probe", "--image="+e2e.Busybox, "--restart=Never", "--dry-run=server")
		if err == nil || !strings.Contains(err.Error(), "exceeded quota") {
			return errors.Join(errors.New("a pod is taken"), err)
		}
		return nil
	})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.c.Apply(t, b.ns, `{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}`)
	e2e.Until(t, "the quota counts", func() error {
		if used := b.c.Kubectl(t, "-n", b.ns, "get", "quota", "one", "-o", "jsonpath={.status.used.pods}"); used != "0" {
			return fmt.Errorf("used: %q", used)
		}
		return nil
	})
	first := b.start(b.job("first", nil, forever))
	b.exhausted()
	j := b.job("second", nil, "echo ran")
	started := make(chan error, 1)
	var x brigade.Execution
	go func() {
		var err error
		x, err = b.r.Start(b.ctx(), j.run)
		started <- err
	}()
	e2e.Until(t, "it waits for quota", func() error {
		if !j.said("it waits for quota: ") {
			return errors.New("nothing is said")
		}
		return nil
	})
	if err := first.Stop(b.ctx(), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if exit, err := b.wait(x); err != nil || exit.Code != 0 || j.output() != "ran\n" {
		t.Errorf("%+v, %v, printed %q", exit, err, j.output())
	}
}

func TestQuotaGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.c.Apply(t, b.ns, `{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}`)
	b.exhausted()
	j := b.job("never", nil, "true")
	timeout := brigade.Errorf(brigade.CodeJobTimeout, "time is over")
	ctx, cancel := context.WithCancelCause(b.ctx())
	go func() {
		e2e.Until(t, "it waits for quota", func() error {
			if !j.said("it waits for quota: ") {
				return errors.New("nothing is said")
			}
			return nil
		})
		cancel(timeout)
	}()
	if _, err := b.r.Start(ctx, j.run); !errors.Is(err, timeout) {
		t.Errorf("Start: %v", err)
	}
}

// TestSameAttempt has two programs start the same attempt: it runs once.
func TestSameAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	j := b.job("once", nil, "echo ran in $(hostname)", "date +%N", "sleep 2")
	x := b.start(j)
	second := j.again()
	y, err := newRunner(t, b.c, b.ns, nil).Start(b.ctx(), second.run)
	if err != nil || x.Handle() != y.Handle() {
		t.Fatalf("second start: %v, handles %s and %s", err, x.Handle(), y.Handle())
	}
	for _, e := range []brigade.Execution{x, y} {
		if exit, err := b.wait(e); err != nil || exit.Code != 0 {
			t.Errorf("%+v, %v", exit, err)
		}
	}
	if j.output() == "" || j.output() != second.output() {
		t.Errorf("printed %q and %q", j.output(), second.output())
	}
	third := j.again() // long over, found by its name
	z, err := newRunner(t, b.c, b.ns, nil).Attach(b.ctx(), third.run, "")
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := b.wait(z); err != nil || exit.Code != 0 || third.output() != j.output() {
		t.Errorf("attached after the end: %+v, %v, printed %q", exit, err, third.output())
	}
	earlier := j.again()
	earlier.run.Job.Attempt = 0
	if _, err := b.r.Start(b.ctx(), earlier.run); brigade.CodeOf(err) != brigade.CodeConflict {
		t.Errorf("an earlier attempt: %v", err)
	}
}

func TestForeignPod(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	j := b.job("taken", nil, "true")
	b.c.Kubectl(t, "-n", b.ns, "run", j.run.Job.ID, "--image="+e2e.Busybox, "--restart=Never", "--", "sleep", "1000")
	b.refused(j, brigade.CodeJobStart, "a pod "+j.run.Job.ID+" that is not its own")
}

// TestStoppedPodStays has a job stopped that ends by itself, and one that does
// not: their pods stay, with their logs.
func TestStoppedPodStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		task  string
		code  int
		grace time.Duration
	}{
		"polite":   {"trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done", 3, patience},
		"stubborn": {"trap '' TERM; echo ready; while :; do sleep 0.1; done", 137, 2 * time.Second},
	} {
		b := newBench(t, func(o *pods.Options) { o.Grace = c.grace })
		j := b.job(name, nil, c.task)
		x := b.start(j)
		b.printed(j, "ready")
		if err := x.Stop(b.ctx(), time.Hour); err != nil {
			t.Fatal(err)
		}
		exit, err := b.wait(x)
		if err != nil || exit.Code != c.code || exit.Reason != "" {
			t.Errorf("%s: %+v, %v", name, exit, err)
		}
		if logged := b.c.Kubectl(t, "-n", b.ns, "logs", j.run.Job.ID); logged != j.output() {
			t.Errorf("%s: the pod's log is %q, the job's %q", name, logged, j.output())
		}
		if err := b.r.EndBuild(b.ctx(), j.run.Build.ID); err != nil {
			t.Error(err)
		}
		if pod := b.pod(j.run.Job.ID); pod.Status.Phase != corev1.PodFailed {
			t.Errorf("%s: the pod is %s", name, pod.Status.Phase)
		}
	}
}

// TestDeadline has nobody look after a job that takes too long.
func TestDeadline(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *pods.Options) { o.Grace = time.Second })
	j := b.job("slow", func(s *brigade.JobSpec) { s.Timeout = 1000 }, forever)
	if _, err := b.wait(b.start(j)); brigade.CodeOf(err) != brigade.CodeJobTimeout {
		t.Errorf("it ended with %v", err)
	}
}

// TestUnschedulable says why, and leaves nothing when nobody waits any more.
func TestUnschedulable(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	j := b.job("nowhere", func(s *brigade.JobSpec) { s.Host.NodeSelector = map[string]string{"there-is": "no-such-node"} }, "true")
	ctx, cancel := context.WithCancel(b.ctx())
	go func() {
		e2e.Until(t, "it says what it waits for", func() error {
			if !j.said("it waits for a node: 0/") {
				return errors.New("nothing is said")
			}
			return nil
		})
		cancel()
	}()
	if _, err := b.r.Start(ctx, j.run); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	e2e.Until(t, "its pod is gone", func() error {
		if left := b.c.Kubectl(t, "-n", b.ns, "get", "pods", "-o", "name"); left != "" {
			return errors.New(left)
		}
		return nil
	})
}

// TestHandover: a job that is still on its way when its build goes to another
// process is found there.
func TestHandover(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	j := b.job("handed-over", func(s *brigade.JobSpec) { s.Host.NodeSelector = map[string]string{"soon": b.ns} }, "echo ran")
	ctx, cancel := context.WithCancelCause(b.ctx())
	go func() {
		e2e.Until(t, "it says what it waits for", func() error {
			if !j.said("it waits for a node: 0/") {
				return errors.New("nothing is said")
			}
			return nil
		})
		cancel(brigade.ErrHandover)
	}()
	if _, err := b.r.Start(ctx, j.run); !errors.Is(err, brigade.ErrHandover) {
		t.Fatalf("Start: %v", err)
	}
	before := b.pod(j.run.Job.ID)
	next := j.again()
	go func() {
		_, _ = b.c.Run(b.ctx(), nil, "label", "node", "--all", "--overwrite", "soon="+b.ns) // or the job never runs
	}()
	x, err := newRunner(t, b.c, b.ns, nil).Attach(b.ctx(), next.run, "")
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := b.wait(x); err != nil || exit.Code != 0 || next.output() != "ran\n" || b.pod(j.run.Job.ID).UID != before.UID {
		t.Errorf("%+v, %v, printed %q", exit, err, next.output())
	}
}

// TestRefusals has the cluster, or the kubelet, say no.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *pods.Options) {
		o.VCSImage, o.VCSCommand = e2e.Busybox, []string{"sh", "-c", "echo no such repository; exit 9"}
	})
	b.refused(b.job("priority", func(s *brigade.JobSpec) { s.Pod = []byte(`{"priorityClassName": "nope"}`) }, "true"), brigade.CodeJobStart, "no PriorityClass with name nope")
	b.refused(b.job("account", func(s *brigade.JobSpec) { s.Pod = []byte(`{"metadata": {"labels": {"a": "not valid"}}}`) }, "true"), brigade.CodeJobStart, "metadata.labels")
	b.refused(b.job("config", func(s *brigade.JobSpec) {
		s.Env = map[string]brigade.EnvValue{"A": {ConfigMapKeyRef: &brigade.KeyRef{Name: "missing", Key: "k"}}}
	}, "true"), brigade.CodeJobStart, `configmap "missing" not found`)
	b.refused(b.job("mount", func(s *brigade.JobSpec) {
		s.Volumes = []brigade.Volume{{Name: "v", Other: map[string]rawJSON{"secret": rawJSON(`{"secretName": "missing"}`)}}}
		s.VolumeMounts = []brigade.VolumeMount{{Name: "v", MountPath: "/v"}}
	}, "true"), brigade.CodeJobStart, `secret "missing" not found`)
	j := b.job("source", func(s *brigade.JobSpec) { s.UseSource = true }, "true")
	j.run.Project.Repo.CloneURL = "https://nowhere/x"
	b.refused(j, brigade.CodeSource, "exit code 9")
	if j.output() != "no such repository\n" {
		t.Errorf("the job's log is %q", j.output())
	}
}

// TestSidecar ends with its job.
func TestSidecar(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	j := b.job("with-db", func(s *brigade.JobSpec) {
		s.Sidecars = []rawJSON{rawJSON(`{"name": "db", "image": "` + e2e.Busybox + `", "command": ["sh", "-c", "mkdir -p /tmp/w; echo from the sidecar > /tmp/w/x; exec httpd -f -p 8080 -h /tmp/w"]}`)}
	}, "for i in $(seq 60); do wget -qO- http://127.0.0.1:8080/x && exit 0; sleep 1; done; exit 1")
	if exit, err := b.wait(b.start(j)); err != nil || exit.Code != 0 || !strings.HasSuffix(j.output(), "from the sidecar\n") {
		t.Errorf("%+v, %v, printed %q", exit, err, j.output())
	}
	e2e.Until(t, "the pod ends", func() error {
		if pod := b.pod(j.run.Job.ID); pod.Status.Phase != corev1.PodSucceeded {
			return errors.New(string(pod.Status.Phase))
		}
		return nil
	})
}

// TestStorageGoesWithTheBuild: the claim is there only for jobs that ask for
// it, and goes although their pods stay.
func TestStorageGoesWithTheBuild(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *pods.Options) { o.BuildStorage = pods.StorageRWO })
	j := b.job("stored", func(s *brigade.JobSpec) { s.Storage.Enabled = true }, "echo x > /mnt/brigade/share/file")
	if exit, err := b.wait(b.start(j)); err != nil || exit.Code != 0 {
		t.Fatalf("%+v, %v: %s", exit, err, j.output())
	}
	claims := func() string { return b.c.Kubectl(t, "-n", b.ns, "get", "pvc", "-o", "name") }
	if got := claims(); got != "persistentvolumeclaim/brigade-worker-"+j.run.Build.ID+"\n" {
		t.Errorf("claims: %s", got)
	}
	if err := b.r.EndBuild(b.ctx(), j.run.Build.ID); err != nil {
		t.Fatal(err)
	}
	e2e.Until(t, "the claim is gone", func() error {
		if got := claims(); got != "" {
			return errors.New(got)
		}
		return nil
	})
	b.pod(j.run.Job.ID) // is there
}

// TestOwner: deleting what the build belongs to deletes all.
func TestOwner(t *testing.T) {
	t.Parallel()
	c := e2e.SharedNode(t)
	var owner *metav1.OwnerReference
	b := benchOn(t, c, func(o *pods.Options) {
		o.Owner = func(context.Context, *brigade.Build) (*metav1.OwnerReference, error) { return owner, nil }
	})
	secret, err := b.k.Secrets("").Create(b.ctx(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a-build"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owner = &metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}
	j := b.job("owned", nil, "true")
	if _, err := b.wait(b.start(j)); err != nil {
		t.Fatal(err)
	}
	b.c.Kubectl(t, "-n", b.ns, "delete", "secret", "a-build")
	e2e.Until(t, "all is gone", func() error {
		if left := b.c.Kubectl(t, "-n", b.ns, "get", "pods,secrets", "-o", "name"); left != "" {
			return errors.New(left)
		}
		return nil
	})
}
