package pods

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// unseenAfter is how long a pod may stay out of the watched list before it is
// asked for: it may have come and gone while the watch was away.
const unseenAfter = 30 * time.Second

// Start implements brigade.Runner: it makes the job's objects and returns when
// its container runs.
func (r *Runner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	owner, err := r.owner(ctx, run.Build)
	if err != nil {
		return nil, err
	}
	p, err := r.planOf(run, owner)
	if err != nil {
		return nil, err
	}
	if err := r.finish(ctx, p, owner); err != nil {
		return nil, err
	}
	pod, err := r.create(ctx, p)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, brigade.ErrHandover) {
			r.undo(p.pod, run.Job)
		}
		return nil, err
	}
	return r.launch(ctx, r.newExecution(run, pod, p.want))
}

// launch waits until the job's container runs and watches it from then on.
func (r *Runner) launch(ctx context.Context, x *execution) (brigade.Execution, error) {
	if err := x.begin(ctx); err != nil {
		if !errors.Is(err, brigade.ErrHandover) { // else it is found again
			x.abandon(err)
		}
		x.hub.close(x.pod.Name, x.box)
		return nil, err
	}
	go x.watch()
	return x, nil
}

// undo deletes a pod that may have been made after nobody waited for it any
// more.
func (r *Runner) undo(planned *corev1.Pod, job *brigade.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	pod, err := r.opt.Cluster.Pods(planned.Namespace).Get(ctx, planned.Name, metav1.GetOptions{})
	if err == nil && attemptOf(pod) == job.Attempt && pod.Annotations[annotationAttempt] != "" {
		err = r.delete(ctx, pod, 0)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		r.opt.Log.Warn("a pod that nobody waits for cannot be deleted now", "pod", planned.Name, "error", err)
	}
}

// Attach implements brigade.Attacher. The handle is namespace/name/uid/attempt;
// without one the pod's name says whose it is.
func (r *Runner) Attach(ctx context.Context, run brigade.JobRun, handle string) (brigade.Execution, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ns, name, uid := r.namespace(run.Project), podName(run.Job), types.UID("")
	if parts := strings.Split(handle, "/"); len(parts) == 4 {
		ns, name, uid = parts[0], parts[1], types.UID(parts[2])
	} else if handle != "" && handle != name { // a store without memory knows the pod's name only
		return nil, lostErr(run.Job.Name, "there is no pod "+handle)
	}
	pod, err := r.find(ctx, run, ns, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, lostErr(run.Job.Name, "its pod is gone")
	case err != nil:
		return nil, err
	case uid != "" && pod.UID != uid:
		return nil, lostErr(run.Job.Name, "its pod is gone, another has its name")
	}
	if same, err := sameRun(pod, run.Job); uid == "" && (err != nil || !same) {
		return nil, lostErr(run.Job.Name, fmt.Sprintf("its pod is that of attempt %d, not of %d", attemptOf(pod), run.Job.Attempt))
	}
	want := r.wants(run, run.Job.Spec.WithDefaults())
	if want.any() && pod.Annotations[annotationCollect] != "" {
		if _, err := r.opt.Workspace.Equip(ctx, run, want); err != nil {
			return nil, err
		}
	}
	return r.launch(ctx, r.newExecution(run, pod, want))
}

// find looks for a pod in the watched list, and asks when it is not there.
func (r *Runner) find(ctx context.Context, run brigade.JobRun, ns, name string) (*corev1.Pod, error) {
	h := r.hub(ns)
	if err := h.view.Synced(ctx); err != nil {
		return nil, err
	}
	if pod, ok := h.view.Get(name); ok {
		return pod, nil
	}
	return r.get(ctx, run, ns, name)
}

func (r *Runner) newExecution(run brigade.JobRun, pod *corev1.Pod, want Want) *execution {
	h := r.hub(pod.Namespace)
	pod = trim(pod)
	return &execution{
		r: r, hub: h, run: run, pod: pod, want: want, box: h.open(pod),
		done: make(chan struct{}),
	}
}

// begin waits until the job's container runs or has run, and tells what it
// waits for. An error means that it never will.
func (x *execution) begin(ctx context.Context) error {
	name := x.run.Job.Name
	unseen := time.NewTimer(unseenAfter)
	defer unseen.Stop()
	patience := newPatience(x.r.opt.PullPatience)
	defer patience.stop()
	said, turn := "", turn{hold: x.run.Hold}
	defer turn.look(false)
	for {
		pod, gone := x.box.get()
		got := read(pod, name)
		turn.look(objects.WaitsForTurn(pod))
		switch {
		case got.started:
			if x.run.Notify != nil {
				x.run.Notify(brigade.StateRunning, "running in pod "+pod.Name+" on node "+pod.Spec.NodeName)
			}
			return nil
		case got.ended:
			return got.err
		case x.apart(pod) != nil:
			return x.apart(pod)
		case gone:
			return lostErr(name, "its pod was deleted before it began")
		case got.err != nil && !got.passes:
			return got.err
		case got.err != nil:
			patience.start()
			got.note = got.err.Error() + "; it is tried again"
		default:
			patience.stop()
		}
		warning := x.box.takeWarning()
		if hopeless(warning) {
			return brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: %s", name, oneLine(warning)).
				WithHint("what its volumes name must be there before")
		}
		if text := or(warning, got.note); text != "" && text != said {
			x.r.tell(x.run, got.state, oneLine(text))
			said = text
		}
		select {
		case <-x.box.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-patience.over:
			return got.err
		case <-unseen.C:
			x.look(ctx)
			unseen.Reset(unseenAfter)
		}
	}
}

// hopeless reports whether a warning of the cluster says that a volume names
// what is not there: the kubelet would try until the job's time is over.
func hopeless(warning string) bool {
	return strings.HasPrefix(warning, "MountVolume.SetUp failed") && missing.MatchString(warning)
}

var missing = regexp.MustCompile(`hostPath type check failed|secret "[^"]*" not found|configmap "[^"]*" not found|references non-existent (secret|config) key`)

// look asks for a pod that the watched list has not shown yet.
func (x *execution) look(ctx context.Context) {
	if x.box.isSeen() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pod, err := x.r.opt.Cluster.Pods(x.pod.Namespace).Get(ctx, x.pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && pod.UID != x.pod.UID:
		x.box.put(nil, true)
	case err == nil:
		x.box.put(trim(pod), false)
	}
}

// patience is a timer that is started by the first of several troubles.
type patience struct {
	d     time.Duration
	timer *time.Timer
	over  <-chan time.Time
}

func newPatience(d time.Duration) *patience { return &patience{d: d} }

func (p *patience) start() {
	if p.timer == nil {
		p.timer = time.NewTimer(p.d)
		p.over = p.timer.C
	}
}

func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer, p.over = nil, nil
	}
}

// abandon ends a pod whose job does not begin. It stays to be looked at, ended,
// where its node can end it.
func (x *execution) abandon(err error) {
	pod, gone := x.box.get()
	if brigade.CodeOf(err) == brigade.CodeSource || brigade.CodeOf(err) == brigade.CodeJobStart {
		for _, c := range pod.Status.InitContainerStatuses {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				x.initLog(c.Name)
			}
		}
	}
	if gone || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var ended error
	switch code := brigade.CodeOf(err); {
	case pod.Spec.NodeName == "":
		ended = x.r.delete(ctx, pod, 0)
	case code == brigade.CodeImagePull || code == brigade.CodeJobStart:
		if ended = x.expire(ctx); ended != nil {
			ended = x.r.delete(ctx, pod, 1)
		}
	default:
		ended = x.r.delete(ctx, pod, 1)
	}
	if ended != nil {
		x.r.opt.Log.Warn("a pod whose job does not begin cannot be ended now", "pod", pod.Name, "error", ended)
	}
}
