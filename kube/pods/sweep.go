package pods

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// EndBuild implements brigade.Runner: what still runs of the build is ended, and
// its storage removed. Pods that have ended stay, so that their logs can be
// read.
func (r *Runner) EndBuild(ctx context.Context, buildID string) error {
	if buildID == "" {
		return nil
	}
	var errs []error
	for _, h := range r.allHubs() {
		if err := h.view.Synced(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		_, err := r.clean(ctx, h, func(build string) bool { return build == labelValue(buildID) })
		errs = append(errs, err)
	}
	if r.opt.Workspace != nil {
		errs = append(errs, r.opt.Workspace.EndBuild(ctx, buildID))
	}
	return errors.Join(errs...)
}

// Sweep implements brigade.Sweeper. Pods that have ended are no leftovers: they
// are deleted with their builds.
func (r *Runner) Sweep(ctx context.Context, alive func(buildID string) bool) (int, error) {
	n := 0
	var errs []error
	for _, h := range r.allHubs() {
		if err := h.view.Synced(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		known := map[string]bool{}
		dead := func(build string) bool {
			if _, asked := known[build]; !asked {
				known[build] = build != "" && !alive(build)
			}
			return known[build]
		}
		claims, err := r.storages(ctx, h, dead)
		errs = append(errs, err)
		ended, err := r.clean(ctx, h, dead)
		n += ended
		errs = append(errs, err)
		for _, name := range claims {
			removed, err := r.removeClaim(ctx, h.ns, name)
			if removed {
				n++
			}
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

// storages lists the build storage of dead builds. Without the right to list
// claims those are found that pods mount.
func (r *Runner) storages(ctx context.Context, h *hub, dead func(string) bool) ([]string, error) {
	list, err := r.opt.Cluster.PersistentVolumeClaims(h.ns).List(ctx, metav1.ListOptions{
		LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," + objects.LabelComponent + "=" + objects.ComponentBuildStorage,
	})
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, cluster.Error(err)
	}
	var names []string
	for _, c := range list.Items {
		if dead(c.Labels[objects.LabelBuild]) && c.DeletionTimestamp == nil {
			names = append(names, c.Name)
		}
	}
	return names, nil
}

// clean ends the pods of dead builds that still run, and removes the storage of
// these builds. It returns how many things those were.
func (r *Runner) clean(ctx context.Context, h *hub, dead func(build string) bool) (int, error) {
	var running []*corev1.Pod
	claims := map[string]bool{}
	for _, pod := range h.view.List() {
		if !dead(pod.Labels[objects.LabelBuild]) {
			continue
		}
		if pod.Labels[labelStorage] != "" {
			claims[objectName(objects.BuildStorageName(pod.Labels[objects.LabelWorker]))] = true
		}
		if !ended(pod) {
			running = append(running, pod)
		}
	}
	r.mu.Lock()
	for key, build := range r.storage {
		if ns, name, _ := strings.Cut(key, "/"); ns == h.ns && dead(build) {
			claims[name] = true
			delete(r.storage, key)
		}
	}
	r.mu.Unlock()
	n, err := r.endPods(ctx, h, running)
	errs := []error{err}
	for _, name := range sorted(claims) {
		removed, err := r.removeClaim(ctx, h.ns, name)
		if removed {
			n++
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// finished reports whether the whole pod has ended.
func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// ended reports whether the pod's job has: the kubelet says so a second before
// it gives the pod its last phase, and ends the sidecars by itself.
func ended(pod *corev1.Pod) bool {
	main := statusOf(pod.Status.ContainerStatuses, objects.ContainerJob)
	return finished(pod) || main != nil && main.State.Terminated != nil
}

// endPods deletes pods that run and waits until they are gone.
func (r *Runner) endPods(ctx context.Context, h *hub, pods []*corev1.Pod) (int, error) {
	var errs []error
	for _, pod := range pods {
		grace := int64(1)
		if pod.Spec.NodeName == "" {
			grace = 0
		}
		err := r.try(ctx, runOf(pod), "its pod", func(ctx context.Context) error { return r.delete(ctx, pod, grace) })
		errs = append(errs, err)
	}
	began, forced := r.opt.Now(), false
	for len(pods) > 0 && errors.Join(errs...) == nil {
		pods = slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
			now, ok := h.view.Get(pod.Name)
			return !ok || now.UID != pod.UID || finished(now)
		})
		if len(pods) == 0 {
			break
		}
		if !forced && r.opt.Now().Sub(began) > goneAfter { // their nodes do not answer
			forced = true
			for _, pod := range pods {
				errs = append(errs, r.delete(ctx, pod, 0))
			}
		}
		if !sleep(ctx, minPause/2) {
			return 0, context.Cause(ctx)
		}
	}
	return len(errs), errors.Join(errs...)
}

// runOf is what there is to say about a pod of which nothing else is known.
func runOf(pod *corev1.Pod) brigade.JobRun {
	return brigade.JobRun{Job: &brigade.Job{ID: pod.Name, Name: pod.Labels[objects.LabelJobName], State: brigade.StateRunning}}
}

// removeClaim removes a build's storage. It reports whether there was one.
func (r *Runner) removeClaim(ctx context.Context, ns, name string) (bool, error) {
	claims := r.opt.Cluster.PersistentVolumeClaims(ns)
	c, err := claims.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, cluster.Error(err)
	}
	if c.Labels[objects.LabelComponent] != objects.ComponentBuildStorage {
		return false, nil // somebody else's
	}
	if err := claims.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &c.UID}}); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return false, cluster.Error(err)
	}
	r.release(ctx, c)
	return true, nil
}

// unmountTime is how long pods whose job has ended may take to end themselves.
const unmountTime = 10 * time.Second

// unused reports whether no pod of the build uses its storage any more.
func (r *Runner) unused(c *corev1.PersistentVolumeClaim) bool {
	return !slices.ContainsFunc(r.hub(c.Namespace).view.List(), func(pod *corev1.Pod) bool {
		return pod.Labels[labelStorage] != "" && pod.Labels[objects.LabelBuild] == c.Labels[objects.LabelBuild] && !finished(pod)
	})
}

// release lets go of a claim that is being deleted: Kubernetes keeps one as long
// as there is a pod that mounts it, also one that has ended, and those stay for
// their logs. Without the right to patch claims it goes when they do.
func (r *Runner) release(ctx context.Context, c *corev1.PersistentVolumeClaim) {
	const protection = "kubernetes.io/pvc-protection"
	for until := r.opt.Now().Add(unmountTime); !r.unused(c); {
		if r.opt.Now().After(until) || !sleep(ctx, minPause/2) {
			return
		}
	}
	left := slices.DeleteFunc(slices.Clone(c.Finalizers), func(f string) bool { return f == protection })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": c.UID, "finalizers": left}})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = r.opt.Cluster.PersistentVolumeClaims(c.Namespace).Patch(ctx, c.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		r.opt.Log.Debug("a volume claim goes only with the pods that mounted it", "claim", c.Name, "error", err)
	}
}
