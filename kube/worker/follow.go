package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// follower makes a build's pod, or finds it, and follows it to its end.
type follower struct {
	w    *Worker
	run  brigade.ScriptRun
	host brigade.Host

	name    string
	uid     types.UID // of the pod that is followed
	seen    bool      // the watch has told of it
	aborted bool
	forced  bool // it was deleted without grace
}

// follow returns how the script ended. When ctx ends, the pod is left alone.
func (f *follower) follow(ctx context.Context) (brigade.ScriptResult, error) {
	pod, err := f.ensure(ctx)
	if err != nil {
		return brigade.ScriptResult{}, err
	}
	f.name, f.uid = pod.Name, pod.UID
	wake, stop := f.w.changes(f.name)
	defer stop()
	jobs := f.w.recordJobs(ctx, f.run)
	log := f.newLog(ctx)
	defer log.stop()
	abort := f.run.Abort
	for {
		now, there, err := f.look(ctx)
		if err != nil {
			return brigade.ScriptResult{}, err
		}
		if there && (begun(now) || now.Annotations[resultAnnotation] != "") {
			log.begin()
		}
		if over := f.judge(now, there); over != nil {
			log.rest(logPatience, over.lines)
			f.afterword(ctx, now, over)
			if brigade.CodeOf(over.err) == brigade.CodeScriptCrashed {
				jobs.leave() // they go on: the next worker meets them
			} else {
				jobs.end(f.aborted)
			}
			return over.result, over.err
		}
		late, stopTimer := f.patience(now, there)
		select {
		case <-ctx.Done():
			stopTimer()
			jobs.leave()
			return brigade.ScriptResult{}, context.Cause(ctx)
		case <-abort:
			abort = nil
			f.abort(ctx)
		case <-wake:
		case <-late:
			f.force(ctx)
		}
		stopTimer()
	}
}

// look is the pod as it is now. It asks the server only when the watch has not
// told of the pod yet but of something else by its name, and again until it
// answers.
func (f *follower) look(ctx context.Context) (pod *corev1.Pod, there bool, err error) {
	for wait := createFirst; ; wait = min(2*wait, createMost) {
		pod, there, err = f.lookOnce(ctx)
		if brigade.CodeOf(err) != brigade.CodeUnavailable {
			return pod, there, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, false, context.Cause(ctx)
		}
	}
}

func (f *follower) lookOnce(ctx context.Context) (pod *corev1.Pod, there bool, err error) {
	pod, there = f.w.pods.Get(f.name)
	if there && pod.UID == f.uid {
		f.seen = true
		return pod, true, nil
	}
	if f.seen {
		return nil, false, nil
	}
	pod, err = f.w.opt.Client.Pods("").Get(ctx, f.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, cluster.Error(err)
	}
	return pod, pod.UID == f.uid, nil
}

// patience is a timer for a pod that is being deleted and does not end, as on
// a node that is lost.
func (f *follower) patience(pod *corev1.Pod, there bool) (late <-chan time.Time, stop func() bool) {
	if !there || pod.DeletionTimestamp == nil || f.forced {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(max(pod.DeletionTimestamp.Sub(f.w.opt.Now())+lostPatience, time.Second))
	return timer.C, timer.Stop
}

// abort has the worker end for good: it is told so by an annotation, and by
// the signal that comes with the deletion of its pod.
func (f *follower) abort(ctx context.Context) {
	f.aborted = true
	pods := f.w.opt.Client.Pods("")
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{cancelAnnotation: f.reason(ctx)}}})
	if err == nil {
		_, err = pods.Patch(ctx, f.name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err == nil {
		grace := int64(f.w.opt.Grace / time.Second)
		err = pods.Delete(ctx, f.name, f.precisely(&grace))
	}
	if err != nil && !apierrors.IsNotFound(err) {
		f.w.opt.Log.Warn("stop the worker", "pod", f.name, "err", cluster.Error(err))
	}
}

// reason says who wants the build to end, and why.
func (f *follower) reason(ctx context.Context) string {
	req := brigade.CancelRequest{Time: f.w.opt.Now()}
	if f.w.opt.Jobs != nil {
		if b, err := f.w.opt.Jobs.Build(ctx, f.run.Build.ID); err == nil && b.Cancel != nil {
			req = *b.Cancel
		}
	}
	text, err := json.Marshal(req)
	if err != nil {
		return "{}"
	}
	return string(text)
}

// force deletes the pod without waiting for its node.
func (f *follower) force(ctx context.Context) {
	f.forced = true
	var none int64
	if err := f.w.opt.Client.Pods("").Delete(ctx, f.name, f.precisely(&none)); err != nil && !apierrors.IsNotFound(err) {
		f.w.opt.Log.Warn("delete the worker's pod", "pod", f.name, "err", cluster.Error(err))
	}
}

// precisely deletes this pod and none of its name that came after it.
func (f *follower) precisely(grace *int64) metav1.DeleteOptions {
	return metav1.DeleteOptions{GracePeriodSeconds: grace, Preconditions: &metav1.Preconditions{UID: &f.uid}}
}

// ensure returns the build's pod: the one that is there, or a new one. One that
// is lost, or is left from before the build was retried, makes room first.
func (f *follower) ensure(ctx context.Context) (*corev1.Pod, error) {
	meta, err := f.w.meta(ctx, f.run.Build)
	if err != nil {
		return nil, fmt.Errorf("find the build's Secret: %w", err)
	}
	f.name = meta.Name
	if pod, there := f.w.pods.Get(meta.Name); there {
		if f.usable(pod) {
			return pod, nil
		}
		if err := f.clear(ctx, pod); err != nil {
			return nil, err
		}
	}
	made := f.w.podOf(meta, f.run.Build, f.run.Project)
	if made.Spec.Containers[0].Image == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "there is no image for the worker").
			WithHint("set the project's worker image, or start the controller with --worker-image")
	}
	return f.create(ctx, made)
}

// usable reports whether the pod runs this attempt of the build, or has run it.
func (f *follower) usable(pod *corev1.Pod) bool {
	if n, set := pod.Annotations[retriesAnnotation]; set && n != strconv.Itoa(f.run.Build.Retries) {
		return false
	}
	return lost(pod) == ""
}

// How long a pod is waited for that cannot be made now.
const (
	createFirst = time.Second
	createMost  = 15 * time.Second
)

// create makes the pod. While the namespace's quota is used up or the server
// does not answer, it is tried again until the build is to end.
func (f *follower) create(ctx context.Context, made *corev1.Pod) (*corev1.Pod, error) {
	pods := f.w.opt.Client.Pods("")
	for wait := createFirst; ; wait = min(2*wait, createMost) {
		pod, err := pods.Create(ctx, made, metav1.CreateOptions{})
		if err == nil {
			return pod, nil
		}
		if apierrors.IsAlreadyExists(err) {
			pod, getErr := pods.Get(ctx, made.Name, metav1.GetOptions{})
			if getErr == nil && f.usable(pod) {
				return pod, nil
			}
			if getErr == nil {
				err = f.clear(ctx, pod)
			} else if apierrors.IsNotFound(getErr) {
				err = nil
			}
			if err == nil {
				continue
			}
		}
		switch e := cluster.Error(err); brigade.CodeOf(e) {
		case brigade.CodeLimited, brigade.CodeUnavailable:
			f.w.opt.Log.Info("the worker's pod cannot be made now", "pod", made.Name, "err", e)
		default:
			return nil, fmt.Errorf("make the worker's pod: %w", e)
		}
		if !f.sleep(ctx, wait) {
			return nil, cmp.Or(context.Cause(ctx), error(brigade.Errorf(brigade.CodeCanceled, "the build ended before its worker could be started")))
		}
	}
}

// sleep returns false when the build is to end.
func (f *follower) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-f.run.Abort:
	}
	return false
}

// clear deletes a pod and waits until it is gone. Its script, should it still
// run, hands over: its jobs go on and are met again.
func (f *follower) clear(ctx context.Context, pod *corev1.Pod) error {
	f.uid, f.seen, f.forced = pod.UID, true, false
	defer func() { f.uid, f.seen, f.forced = "", false, false }()
	wake, stop := f.w.changes(pod.Name)
	defer stop()
	for wait := createFirst; ; wait = min(2*wait, createMost) {
		err := f.w.opt.Client.Pods("").Delete(ctx, pod.Name, f.precisely(nil))
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			break
		}
		if err = cluster.Error(err); brigade.CodeOf(err) != brigade.CodeUnavailable || !f.sleep(ctx, wait) {
			return fmt.Errorf("delete the worker's pod of before: %w", err)
		}
	}
	for {
		now, there, err := f.look(ctx)
		if err != nil || !there {
			return err
		}
		late, stopTimer := f.patience(now, there)
		select {
		case <-ctx.Done():
			stopTimer()
			return context.Cause(ctx)
		case <-wake:
		case <-late:
			f.force(ctx)
		}
		stopTimer()
	}
}
