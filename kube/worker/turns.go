package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// turnstile lets the jobs of worker pods begin as the limits on jobs allow.
// Their pods are made with a scheduling gate, which it takes away when there is
// a place. Which pods have one follows from the pods alone: a place is taken as
// long as a pod without the gate has not ended, so that a controller after this
// one counts the same. Jobs that the controller runs are counted by the
// dispatcher.
type turnstile struct {
	w *Worker

	mu   sync.Mutex
	pods map[types.UID]context.CancelFunc // those that have a place or wait for one
}

func newTurnstile(w *Worker) *turnstile {
	return &turnstile{w: w, pods: map[types.UID]context.CancelFunc{}}
}

// watch begins with the pods of a view. Those that run already are counted
// before the first one that waits gets its turn.
func (t *turnstile) watch(view *cluster.View[*corev1.Pod]) {
	counted := make(chan struct{})
	view.Subscribe(func(e cluster.Event[*corev1.Pod]) { t.see(e.Object(), e.Type == cluster.Deleted, counted) })
	go func() {
		if view.Synced(t.w.live) != nil {
			return // the worker was closed
		}
		for _, pod := range view.List() {
			if objects.WaitsForTurn(pod) {
				continue
			}
			t.see(pod, false, counted)
			if now, there := view.GetIn(pod.Namespace, pod.Name); !there || now.UID != pod.UID || jobOver(now) {
				t.see(pod, true, counted) // it was told of while we did not look
			}
		}
		close(counted)
	}()
}

// jobOver reports whether a job's pod takes no place any more.
func jobOver(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == objects.ContainerJob {
			return s.State.Terminated != nil
		}
	}
	return false
}

// see takes note of a pod.
func (t *turnstile) see(pod *corev1.Pod, deleted bool, counted <-chan struct{}) {
	if pod.Annotations[objects.AnnotationRunner] == objects.RunnerController {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	leave, known := t.pods[pod.UID]
	switch over := deleted || jobOver(pod); {
	case over && known:
		delete(t.pods, pod.UID)
		leave()
	case over || known:
	default:
		ctx, leave := context.WithCancel(t.w.live)
		t.pods[pod.UID] = leave
		if objects.WaitsForTurn(pod) {
			go t.pass(ctx, pod, counted)
			return
		}
		if release := t.occupy(ctx, pod, true); release != nil {
			context.AfterFunc(ctx, release)
		}
	}
}

// occupy takes a place; nil when there is none to give back.
func (t *turnstile) occupy(ctx context.Context, pod *corev1.Pod, runs bool) (release func()) {
	if t.w.opt.Occupy == nil {
		return nil
	}
	release, err := t.w.opt.Occupy(ctx, pod.Labels[objects.LabelProject], runs)
	if err != nil {
		return nil // the pod is gone, or the worker was closed
	}
	return release
}

// pass waits for the pod's turn and lets it begin.
func (t *turnstile) pass(ctx context.Context, pod *corev1.Pod, counted <-chan struct{}) {
	select {
	case <-counted:
	case <-ctx.Done():
		return
	}
	if release := t.occupy(ctx, pod, false); release != nil {
		defer release()
	}
	t.open(ctx, pod)
	<-ctx.Done()
}

// open takes the gate away, and tries until that is done or the pod is gone.
func (t *turnstile) open(ctx context.Context, pod *corev1.Pod) {
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"schedulingGates":[{"$patch":"delete","name":%q}]}}`, pod.UID, objects.GateTurn)
	for wait := createFirst; ctx.Err() == nil; wait = min(2*wait, createMost) {
		limited, cancel := context.WithTimeout(ctx, createMost)
		_, err := t.w.opt.Client.Pods(pod.Namespace).Patch(limited, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil {
			return
		}
		t.w.opt.Log.Warn("a job cannot be let begin now", "pod", pod.Name, "err", cluster.Error(err))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
