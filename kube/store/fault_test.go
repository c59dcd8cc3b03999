package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/store"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// The API server is killed again and again while builds are made, claimed and
// ended. Who writes tries again, as the dispatcher does. In the end both sides
// say the same of every build, each was made once and claimed once.
func TestAPIServerIsKilled(t *testing.T) {
	const workers, wantKills = 6, 1
	c := testcluster.Start(t, testcluster.Options{})
	ns := c.Namespace(t)
	client, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: ns})
	must(t, err)
	s, err := store.New(t.Context(), store.Options{Client: client, Inner: memory.New(memory.Options{})})
	must(t, err)
	defer s.Close()

	stop, done := make(chan struct{}), make(chan struct{})
	var kills atomic.Int32
	go func() {
		defer close(done)
		for {
			if err := c.Kill(t.Context(), "kube-apiserver"); err != nil {
				t.Errorf("kill: %v", err)
				return
			}
			kills.Add(1)
			if err := c.StartAPIServer(t.Context()); err != nil {
				t.Errorf("start: %v", err)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond): // some are to get through
			}
		}
	}()
	var mu sync.Mutex
	claims := map[string]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := 0; n < 5 || kills.Load() <= wantKills; n++ {
				b := newBuild(w*100_000 + n)
				b.Event.Key = fmt.Sprint("event ", w, n)
				again(t, func() error { _, err := s.CreateBuild(t.Context(), b); return err })
				claimed, err := s.Claim(t.Context(), b.ID, "me", time.Hour)
				if err != nil || claimed == nil {
					t.Errorf("%s was not to be claimed: %v", b.ID, err)
					return
				}
				mu.Lock()
				claims[b.ID]++ // also counts the builds
				mu.Unlock()
				again(t, func() error { return set(t, s, b.ID, brigade.StateRunning) })
				again(t, func() error { return set(t, s, b.ID, brigade.StateSucceeded) })
				if t.Failed() {
					return
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	<-done
	secrets, err := client.Secrets("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=" + string(objects.TypeBuild)})
	must(t, err)
	for i := range secrets.Items {
		b, err := objects.ReadBuild(&secrets.Items[i])
		must(t, err)
		if b.State != brigade.StateSucceeded || claims[b.ID] != 1 || b.Attempt != 1 {
			t.Errorf("the Secret of %s says %s, attempt %d, it was claimed %d times", b.ID, b.State, b.Attempt, claims[b.ID])
		}
	}
	all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{States: []brigade.State{brigade.StateSucceeded}, Limit: 1000})
	must(t, err)
	if made := len(claims); len(secrets.Items) != made || len(all) != min(made, 1000) {
		t.Errorf("%d builds were made, there are %d Secrets and %d builds", made, len(secrets.Items), len(all))
	}
	until(t, "the store is connected again", func() bool { return s.Healthy() == nil })
	t.Logf("%d builds, the API server was killed %d times: none lost, none twice", len(claims), kills.Load())
}

func set(t *testing.T, s *store.Store, id string, state brigade.State) error {
	_, err := s.UpdateBuild(t.Context(), id, func(b *brigade.Build) error {
		b.State = state
		return nil
	})
	return err
}

// again calls write until it works. Only an outage is a reason for it not to.
func again(t *testing.T, write func() error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := write()
		if err == nil {
			return
		}
		if brigade.CodeOf(err) != brigade.CodeUnavailable || time.Now().After(deadline) {
			t.Errorf("%s: %v", brigade.CodeOf(err), err)
			return
		}
	}
}

// A gateway has the rights that it needs, and no more.
func TestGatewayWithNarrowRights(t *testing.T) {
	w := newWorld(t)
	w.cluster.Apply(t, w.ns, v1Project+`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gateway}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list, watch, create]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gateway}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway}
subjects: [{kind: ServiceAccount, name: gateway}]
`)
	client, err := cluster.Open(cluster.Options{Kubeconfig: w.cluster.KubeconfigFor(t, "gateway", w.ns), Namespace: w.ns})
	must(t, err)
	s := w.open(store.Options{Client: client, Scope: store.ScopeProjects})
	p, err := s.Project(t.Context(), "brigadecore/empty-testbed")
	must(t, err)
	b := newBuild(1)
	b.Event.Key = "k"
	for range 2 {
		got, err := s.CreateBuild(t.Context(), b)
		must(t, err)
		if got.ID != b.ID || p.ID != b.ProjectID {
			t.Errorf("the event became %s of %s", got.ID, p.ID)
		}
	}
	// So does another one, which cannot read what the first has stored.
	other := newBuild(2)
	other.Event.Key = "k"
	got, err := w.open(store.Options{Client: client, Scope: store.ScopeProjects}).CreateBuild(t.Context(), other)
	must(t, err)
	if got.ID != b.ID {
		t.Errorf("at the other gateway the event became %s", got.ID)
	}
	// What it lacks, it is told.
	_, err = w.open(store.Options{Client: client, Scope: store.ScopeOnce}).ListJobs(t.Context(), "x")
	if brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("without the right to get Secrets: %v", err)
	}
	_, err = store.New(t.Context(), store.Options{Client: client, Inner: memory.New(memory.Options{})})
	if e := brigade.CodeOf(err); e != brigade.CodeDenied {
		t.Errorf("a controller without the right to see pods: %v", err)
	}
}

// The controller's store works with the rights that docs/design/kubernetes.md
// lists, and with no others.
func TestControllerWithNarrowRights(t *testing.T) {
	w := newWorld(t)
	w.cluster.Apply(t, w.ns, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: controller}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch, create, update, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, update, delete]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch, patch, deletecollection]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [deletecollection]}
- {apiGroups: [""], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: controller}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: controller}
subjects: [{kind: ServiceAccount, name: controller}]
`)
	client, err := cluster.Open(cluster.Options{Kubeconfig: w.cluster.KubeconfigFor(t, "controller", w.ns), Namespace: w.ns})
	must(t, err)
	s := w.open(store.Options{Client: client})
	w.cluster.Apply(t, w.ns, v1Project+v1Build("wrong", "", "")+v1Build("foreign", "01foreign", "")+pod("unit-01foreign", "job", "01foreign", "", nil))
	until(t, "both are there", func() bool {
		_, projectErr := s.Project(t.Context(), projectID)
		_, buildErr := s.Build(t.Context(), "01foreign")
		_, jobErr := s.Job(t.Context(), "unit-01foreign")
		return projectErr == nil && buildErr == nil && jobErr == nil
	})
	p, err := s.Project(t.Context(), projectID)
	must(t, err)
	must(t, s.PutProject(t.Context(), p))
	own := newBuild(1)
	own.Event.Key = "k"
	_, err = s.CreateBuild(t.Context(), own)
	must(t, err)
	must(t, set(t, s, own.ID, brigade.StateSucceeded))
	must(t, s.DeleteBuild(t.Context(), own.ID))
	must(t, s.DeleteBuild(t.Context(), "01foreign")) // and what belongs to nothing
	must(t, s.DeleteProject(t.Context(), projectID))
	until(t, "the pod is gone, and the wrong one is told of", func() bool {
		pods, err := w.client.Pods("").List(t.Context(), metav1.ListOptions{})
		must(t, err)
		events, err := w.client.Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "reason=Discarded"})
		must(t, err)
		left := 0
		for _, p := range pods.Items {
			if p.DeletionTimestamp == nil {
				left++
			}
		}
		return left == 0 && len(events.Items) == 1
	})
}
