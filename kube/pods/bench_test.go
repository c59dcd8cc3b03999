package pods_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	brigade "github.com/brigadecore/brigade/v3"
	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// BenchmarkJob runs a trivial job from Start to the end of Wait, with its log,
// and beside it a bare pod of the same image from its creation to its end as a
// watch shows it. It prints the ratio.
func BenchmarkJob(b *testing.B) {
	c := e2e.SharedNode(b)
	ns := c.Namespace(b)
	k := client(b, c, ns)
	r := newRunner(b, c, ns, func(o *pods.Options) { o.Log = nil })
	var job, bare, ran time.Duration
	for b.Loop() {
		job += runJob(b, r)
		pod, container := runBare(b, k)
		bare, ran = bare+pod, ran+container
	}
	b.ReportMetric(job.Seconds()/float64(b.N), "s/job")
	b.ReportMetric(bare.Seconds()/float64(b.N), "s/pod")
	b.ReportMetric(job.Seconds()/bare.Seconds(), "ratio")
	b.ReportMetric(job.Seconds()/ran.Seconds(), "ratio-container")
}

// counter counts bytes.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func runJob(b *testing.B, r *pods.Runner) time.Duration {
	b.Helper()
	project := brigade.NewProject("acme/bench")
	build := &brigade.Build{ID: id.New(time.Now()), ProjectID: project.ID}
	var log counter
	began := time.Now()
	x, err := r.Start(b.Context(), brigade.JobRun{
		Build: build, Project: project, Log: &log,
		Job: &brigade.Job{
			ID: "trivial-" + build.ID, BuildID: build.ID, Name: "trivial", Attempt: 1, Created: began,
			Spec: brigade.JobSpec{Name: "trivial", Image: e2e.Busybox, Tasks: []string{"echo hello"}}.WithDefaults(),
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	if exit, err := x.Wait(b.Context()); err != nil || exit.Code != 0 || log != 6 {
		b.Fatalf("%+v, %v, %d bytes", exit, err, log)
	}
	return time.Since(began)
}

// runBare returns the times to the end of the pod and to that of its container,
// which the kubelet tells earlier.
func runBare(b *testing.B, k *cluster.Client) (ended, ran time.Duration) {
	b.Helper()
	name := fmt.Sprintf("bare-%s", id.New(time.Now()))
	began := time.Now()
	made, err := k.Pods("").Create(b.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "main", Image: e2e.Busybox, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"sh", "-c", "echo hello"},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	w, err := k.Pods("").Watch(b.Context(), metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String(), ResourceVersion: made.ResourceVersion})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		if list := pod.Status.ContainerStatuses; ran == 0 && len(list) > 0 && list[0].State.Terminated != nil {
			ran = time.Since(began)
		}
		if pod.Status.Phase == corev1.PodSucceeded {
			return time.Since(began), ran
		}
	}
	b.Fatal("the watch ended")
	return 0, 0
}
