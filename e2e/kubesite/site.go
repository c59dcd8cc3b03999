// Package kubesite is a namespace of a test cluster in which the program's own
// controller works, in a process of its own, as `brig controller` starts it: for
// benchmarks and for runs in which it is killed. What is asked of it is made as
// people of v1 make it, by Secrets.
package kubesite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Options say where. Cluster, Program and Dir are required.
type Options struct {
	Cluster *testcluster.Cluster
	Program string    // brig
	Dir     string    // a directory for the controllers' data and logs
	Log     io.Writer // gets what controllers log; nil: only Dir does
}

// Site is such a namespace.
type Site struct {
	Namespace string
	Client    *cluster.Client // of the administrator

	opt    Options
	stop   context.CancelFunc
	builds *cluster.View[*corev1.Secret]

	mu      sync.Mutex
	news    chan struct{} // closed when a build changed
	counter int           // of controllers
}

// New makes the namespace, with the service account of workers. Close it when done.
func New(ctx context.Context, opt Options) (*Site, error) {
	s := &Site{Namespace: "site-" + id.New(time.Now()), opt: opt, news: make(chan struct{})}
	var err error
	s.Client, err = cluster.Open(cluster.Options{Kubeconfig: opt.Cluster.Kubeconfig(), Namespace: s.Namespace, UserAgent: "kubesite"})
	if err != nil {
		return nil, err
	}
	if _, err := opt.Cluster.Run(ctx, nil, "create", "namespace", s.Namespace); err != nil {
		return nil, err
	}
	if _, err := opt.Cluster.Run(ctx, strings.NewReader(strings.ReplaceAll(worker, "NAMESPACE", s.Namespace)), "-n", s.Namespace, "apply", "-f", "-"); err != nil {
		return nil, err
	}
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.builds = cluster.Watch(live, s.Client.Secrets(""), cluster.ViewOptions[*corev1.Secret]{FieldSelector: "type=" + string(objects.TypeBuild)})
	s.builds.Subscribe(func(cluster.Event[*corev1.Secret]) {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.news)
		s.news = make(chan struct{})
	})
	return s, s.builds.Synced(ctx)
}

// worker is what worker pods are allowed, as the chart has it.
const worker = `{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "brigade-worker"}},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "brigade-worker"}, "rules": [
 {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
 {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
 {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
 {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get", "delete"]}]},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "brigade-worker"},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "brigade-worker"},
 "subjects": [{"kind": "ServiceAccount", "name": "brigade-worker", "namespace": "NAMESPACE"}]}]}`

// Close deletes the namespace, without waiting for that.
func (s *Site) Close(ctx context.Context) error {
	s.stop()
	_, err := s.opt.Cluster.Run(ctx, nil, "delete", "namespace", s.Namespace, "--wait=false")
	return err
}

// Project makes a project with that script, and with more keys of its Secret
// when they are given, and returns its ID.
func (s *Site) Project(ctx context.Context, name, script string, more map[string]string) (string, error) {
	p := brigade.NewProject(name)
	data := map[string]string{"defaultScript": script}
	maps.Copy(data, more)
	_, err := s.Client.Secrets("").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        p.ID,
			Labels:      map[string]string{"app": "brigade", objects.LabelHeritage: objects.Heritage, objects.LabelComponent: objects.ComponentProject},
			Annotations: map[string]string{"projectName": name},
		},
		Type: objects.TypeProject, StringData: data,
	}, metav1.CreateOptions{})
	return p.ID, err
}

// Build makes a build of that project as any gateway of v1 does, and returns its ID.
func (s *Site) Build(ctx context.Context, project string) (string, error) {
	b := id.New(time.Now())
	_, err := s.Client.Secrets("").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: objects.WorkerName(b), Labels: objects.BuildLabels(project, b)},
		Type:       objects.TypeBuild,
		StringData: map[string]string{"build_id": b, "event_type": "exec", "event_provider": "bench", "project_id": project, "payload": "{}"},
	}, metav1.CreateOptions{})
	return b, err
}

// Status is what the Secret of a build says of it; ok is false when there is
// none, or it says nothing yet.
func (s *Site) Status(build string) (status objects.Status, ok bool) {
	secret, found := s.builds.Get(objects.WorkerName(build))
	if !found || secret.Annotations[objects.AnnotationStatus] == "" {
		return status, false
	}
	err := json.Unmarshal([]byte(secret.Annotations[objects.AnnotationStatus]), &status)
	return status, err == nil
}

// News is closed when a build changes.
func (s *Site) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// Open are those of the builds that have not ended.
func (s *Site) Open(builds []string) (open []string) {
	for _, b := range builds {
		if !s.ended(b) {
			open = append(open, b)
		}
	}
	return open
}

// ended tells whether a build has ended.
func (s *Site) ended(build string) bool {
	status, ok := s.Status(build)
	return ok && status.State.Ended()
}

// Wait returns when all of the builds have succeeded. One that ends otherwise
// is an error. Of a thousand, those that have ended are not read again: who
// measures does not take the processor from what is measured.
func (s *Site) Wait(ctx context.Context, builds []string) error {
	open := s.Open(builds)
	for len(open) > 0 {
		news := s.News()
		if s.ended(open[0]) {
			open = s.Open(open)
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d builds have not ended: %w", len(s.Open(open)), len(builds), context.Cause(ctx))
		}
	}
	for _, b := range builds {
		if status, _ := s.Status(b); status.State != brigade.StateSucceeded {
			why := ""
			if status.Failure != nil {
				why = status.Failure.Error()
			}
			return fmt.Errorf("build %s is %s: %s", b, status.State, why)
		}
	}
	return nil
}

// Bare makes n pods that do what a trivial job does, all at once, and returns
// when all have succeeded, as a watch shows it.
func (s *Site) Bare(ctx context.Context, n int, image string, annotations map[string]string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batch := id.New(time.Now())
	ended := make(chan error, 2*n)
	var told sync.Map // by name: a pod changes after its end, too
	view := cluster.Follow(ctx, s.Client.Pods(""), cluster.ViewOptions[*corev1.Pod]{LabelSelector: "bare=" + batch}, func(e cluster.Event[*corev1.Pod]) {
		phase := e.Object().Status.Phase
		if phase != corev1.PodSucceeded && phase != corev1.PodFailed && e.Type != cluster.Deleted {
			return
		}
		if _, twice := told.LoadOrStore(e.Object().Name, true); twice {
			return
		}
		switch {
		case e.Type == cluster.Deleted || phase == corev1.PodFailed:
			ended <- fmt.Errorf("the bare pod %s is %s: %s", e.Object().Name, phase, e.Object().Status.Message)
		case phase == corev1.PodSucceeded:
			ended <- nil
		}
	})
	if err := view.Synced(ctx); err != nil {
		return err
	}
	for i := range n {
		go func() {
			_, err := s.Client.Pods("").Create(ctx, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("bare-%s-%d", batch, i), Labels: map[string]string{"bare": batch}, Annotations: maps.Clone(annotations)},
				Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
					Name: "main", Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"sh", "-c", "echo hello"},
				}}},
			}, metav1.CreateOptions{})
			if err != nil {
				ended <- err
			}
		}()
	}
	for range n {
		select {
		case err := <-ended:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Hello is a testcluster.FakeNodeOptions.Run: pods print what trivial ones do,
// and end at once.
func Hello(*corev1.Pod) testcluster.Fate { return testcluster.Fate{Log: "hello\n"} }
