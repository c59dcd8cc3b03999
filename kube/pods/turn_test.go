package pods_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// TestTurn has a job wait until somebody takes the gate of its pod away. The
// clock of its time limit is held meanwhile.
func TestTurn(t *testing.T) {
	t.Parallel()
	c := e2e.Shared(t)
	node := c.FakeNode(t, e2e.FakeNodeOptions{Run: func(pod *corev1.Pod) e2e.Fate {
		fate := e2e.FateOf(pod)
		fate.Log = "done\n"
		return fate
	}})
	b := benchOn(t, c, func(o *pods.Options) { o.Turns, o.Events = true, false })
	j := b.job("waits", nil, "true")
	j.run.Job.Spec.Host.Name = node.Name
	var held, let atomic.Int64
	j.run.Hold = func() func() {
		held.Add(1)
		return func() { let.Add(1) }
	}
	over := make(chan error, 1)
	go func() {
		x, err := b.r.Start(b.ctx(), j.run)
		if err == nil {
			exit, waitErr := x.Wait(b.ctx())
			if err = waitErr; err == nil && exit.Code != 0 {
				err = fmt.Errorf("it ended with %d", exit.Code)
			}
		}
		over <- err
	}()
	e2e.Until(t, "the job waits for its turn", func() error {
		if !j.said("it waits for its turn") || held.Load() != 1 {
			return errors.New("it does not")
		}
		return nil
	})
	if let.Load() != 0 {
		t.Error("the clock of its time limit goes on")
	}
	pod, err := b.k.Pods("").Get(b.ctx(), j.run.Job.ID, metav1.GetOptions{})
	if err != nil || !objects.WaitsForTurn(pod) || pod.Status.StartTime != nil || pod.Spec.NodeName != "" {
		t.Fatalf("%v %+v", err, pod)
	}
	patch := fmt.Appendf(nil, `{"spec":{"schedulingGates":[{"$patch":"delete","name":%q}]}}`, objects.GateTurn)
	if pod, err = b.k.Pods("").Patch(b.ctx(), pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil || objects.WaitsForTurn(pod) {
		t.Fatalf("%v %+v", err, pod)
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if held.Load() != 1 || let.Load() != 1 {
		t.Errorf("the clock was held %d times, and let go on %d times", held.Load(), let.Load())
	}
	// One that is canceled while it waits leaves nothing.
	k := b.job("canceled", nil, "true")
	ctx, cancel := context.WithCancel(b.ctx())
	go func() {
		_, err := b.r.Start(ctx, k.run)
		over <- err
	}()
	e2e.Until(t, "the other job waits for its turn", func() error {
		if !k.said("it waits for its turn") {
			return errors.New("it does not")
		}
		return nil
	})
	cancel()
	if err := <-over; err == nil {
		t.Error("it was started")
	}
	e2e.Until(t, "its pod is gone", func() error {
		if _, err := b.k.Pods("").Get(b.ctx(), k.run.Job.ID, metav1.GetOptions{}); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}
