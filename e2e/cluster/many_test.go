package cluster

import (
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// count is how many pods of a namespace are at a stage.
func (n *FakeNode) count(namespace string, s stage) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, p := range n.pods {
		if p.stage == s && p.pod.Namespace == namespace {
			count++
		}
	}
	return count
}

func TestFakeNodeHoldsAThousandPods(t *testing.T) {
	const creators, each = 10, 100
	c := Shared(t)
	ns := c.Namespace(t)
	n := c.FakeNode(t, FakeNodeOptions{})
	started := time.Now()
	var all sync.WaitGroup
	for i := range creators {
		all.Go(func() {
			for j := range each {
				pod := &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d-%d", i, j), Annotations: map[string]string{FakeNap: "forever"}},
					Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "x"}}},
				}
				if err := create(t.Context(), c.admin, ns, "pods", pod); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	Until(t, "all run", func() error {
		if got := n.count(ns, running); got != creators*each {
			return fmt.Errorf("%d of %d run", got, creators*each)
		}
		return nil
	})
	t.Logf("%d pods run after %s", creators*each, time.Since(started).Round(time.Millisecond))
	started = time.Now()
	if err := c.admin.Delete().Namespace(ns).Resource("pods").Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	Until(t, "all are gone", func() error {
		if got := n.Running(); got != 0 {
			return fmt.Errorf("%d are there", got)
		}
		return nil
	})
	t.Logf("they are gone after %s", time.Since(started).Round(time.Millisecond))
}
