package pods

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// How long is waited between two tries of a request, and how long for the
// service account of a namespace that is just being made.
const (
	minPause        = 200 * time.Millisecond
	maxPause        = 5 * time.Second
	accountPatience = 10 * time.Second
)

// create makes the job's objects and returns its pod. When there is one of this
// attempt already, made by a process that ended before it could say so, that is
// it; one of an earlier attempt makes room.
func (r *Runner) create(ctx context.Context, p *plan) (*corev1.Pod, error) {
	if err := r.makeClaims(ctx, p); err != nil {
		return nil, err
	}
	if p.secret != nil {
		secrets := r.opt.Cluster.Secrets(p.secret.Namespace)
		err := r.try(ctx, p.run, "its Secret", func(ctx context.Context) error {
			_, err := secrets.Create(ctx, p.secret, metav1.CreateOptions{})
			return err
		})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
	}
	pods := r.opt.Cluster.Pods(p.pod.Namespace)
	for {
		var made *corev1.Pod
		err := r.try(ctx, p.run, "its pod", func(ctx context.Context) (err error) {
			made, err = pods.Create(ctx, p.pod, metav1.CreateOptions{})
			return err
		})
		if err == nil {
			return made, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
		old, err := r.get(ctx, p.run, p.pod.Namespace, p.pod.Name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if same, err := sameRun(old, p.run.Job); err != nil || same {
			return old, err
		}
		if err := r.replace(ctx, p.run, old); err != nil {
			return nil, err
		}
	}
}

// get asks for a pod, and again while the API server does not answer.
func (r *Runner) get(ctx context.Context, run brigade.JobRun, ns, name string) (*corev1.Pod, error) {
	var pod *corev1.Pod
	err := r.try(ctx, run, "its pod", func(ctx context.Context) (err error) {
		pod, err = r.opt.Cluster.Pods(ns).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	return pod, err
}

// attemptOf is which run of its job a pod is: v1's know one only.
func attemptOf(pod *corev1.Pod) int {
	if n, err := strconv.Atoi(pod.Annotations[annotationAttempt]); err == nil {
		return n
	}
	return 1
}

// sameRun reports whether the pod is this attempt of the job, and not an
// earlier one. The error is about pods that must not be touched.
func sameRun(pod *corev1.Pod, job *brigade.Job) (bool, error) {
	if pod.Labels[objects.LabelHeritage] != objects.Heritage || pod.Labels[objects.LabelComponent] != objects.ComponentJob || pod.Labels[objects.LabelBuild] != labelValue(job.BuildID) {
		return false, brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: there is a pod %s that is not its own", job.Name, pod.Name).
			WithHint("delete the pod, or give the job another name")
	}
	if n := attemptOf(pod); n > job.Attempt {
		return false, brigade.Errorf(brigade.CodeConflict, "job %q: attempt %d runs already, this is attempt %d", job.Name, n, job.Attempt)
	} else if n < job.Attempt {
		return false, nil
	}
	return true, nil
}

// replace deletes the pod of an earlier attempt and waits until it is gone: v1's
// tools look for the job under that name.
func (r *Runner) replace(ctx context.Context, run brigade.JobRun, old *corev1.Pod) error {
	r.tell(run, brigade.StatePending, "the pod of its last attempt is deleted")
	grace := int64(1)
	if old.Status.Phase == corev1.PodSucceeded || old.Status.Phase == corev1.PodFailed || old.Spec.NodeName == "" {
		grace = 0
	}
	began, pause := r.opt.Now(), minPause
	for {
		err := r.try(ctx, run, "the pod of its last attempt", func(ctx context.Context) error { return r.delete(ctx, old, grace) })
		if err != nil {
			return err
		}
		now, err := r.get(ctx, run, old.Namespace, old.Name)
		if apierrors.IsNotFound(err) || err == nil && now.UID != old.UID {
			return nil
		}
		if err != nil {
			return err
		}
		if r.opt.Now().Sub(began) > goneAfter {
			grace = 0 // its node does not answer
		}
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
		pause = min(2*pause, maxPause)
	}
}

// goneAfter is how long a node may take to end a pod that was given a second.
const goneAfter = 90 * time.Second

// delete deletes that very pod. One that is gone already is no error.
func (r *Runner) delete(ctx context.Context, pod *corev1.Pod, grace int64) error {
	err := r.opt.Cluster.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// try makes a request, and again while the namespace's quota is used up or the
// API server is away: people are told what it waits for. It gives up with ctx.
// "Exists already" and "not found" are returned as they are.
func (r *Runner) try(ctx context.Context, run brigade.JobRun, what string, request func(context.Context) error) error {
	pause, began, said := minPause, r.opt.Now(), ""
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		err := request(limited)
		cancel()
		if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && !missingNamespace(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait := r.waitsFor(err, r.opt.Now().Sub(began))
		if wait == "" {
			return refused(run.Job.Name, what, err)
		}
		if wait != said {
			r.tell(run, run.Job.State, wait)
			r.opt.Log.Info("a job waits", "job", run.Job.ID, "for", wait)
			said = wait
		}
		if !sleep(ctx, pause/2+rand.N(pause/2)) {
			return context.Cause(ctx)
		}
		pause = min(2*pause, maxPause)
	}
}

// waitsFor says what a request waits for that failed with err, "" when waiting
// does not help.
func (r *Runner) waitsFor(err error, waited time.Duration) string {
	known := cluster.Error(err)
	switch {
	case cluster.IsQuota(err):
		return "it waits for quota: " + oneLine(apiMessage(err))
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ""
	case strings.Contains(err.Error(), "error looking up service account") && waited < accountPatience:
		return "it waits for its service account: " + oneLine(apiMessage(err))
	case brigade.CodeOf(known) == brigade.CodeUnavailable, errors.Is(err, context.DeadlineExceeded):
		return "it waits for the cluster: " + oneLine(known.Error())
	}
	return ""
}

// apiMessage is the API server's sentence.
func apiMessage(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

func missingNamespace(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// refused is the error of a job whose object the cluster does not take.
func refused(job, what string, err error) error {
	e := brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: the cluster does not take %s: %s", job, what, oneLine(apiMessage(err)))
	e.Err = err
	var known *brigade.Error
	if errors.As(cluster.Error(err), &known) {
		e.Hint = known.Hint
	}
	return e
}

// tell tells people about the job.
func (r *Runner) tell(run brigade.JobRun, state brigade.State, text string) {
	if run.Notify != nil {
		run.Notify(state, text)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// makeClaims sees to it that the claims are there that the pod mounts.
func (r *Runner) makeClaims(ctx context.Context, p *plan) error {
	for _, c := range p.claims {
		var err error
		if c.Labels[objects.LabelComponent] == objects.ComponentJobCache {
			err = r.makeCache(ctx, p, c)
		} else {
			err = r.makeStorage(ctx, p, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeStorage makes the build's storage, unless that was done before. One that
// is being deleted, since the build had ended, is waited for.
func (r *Runner) makeStorage(ctx context.Context, p *plan, c *corev1.PersistentVolumeClaim) error {
	key := c.Namespace + "/" + c.Name
	r.mu.Lock()
	_, made := r.storage[key]
	r.mu.Unlock()
	if made {
		return nil
	}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		err := r.tryClaim(ctx, p.run, c)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if err == nil {
			break
		}
		old, err := r.getClaim(ctx, p.run, c.Namespace, c.Name)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return err
		}
		if old.DeletionTimestamp == nil {
			break
		}
		r.tell(p.run, brigade.StatePending, fmt.Sprintf("it waits until the volume claim %s is gone", c.Name))
		r.release(ctx, old)
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
	}
	r.mu.Lock()
	r.storage[key] = labelValue(p.run.Job.BuildID)
	r.mu.Unlock()
	return nil
}

// makeCache finds the cache of the job, or makes it. v1 named it after what
// scripts see as the project's name, its repository: one that is there under
// that name is used.
func (r *Runner) makeCache(ctx context.Context, p *plan, c *corev1.PersistentVolumeClaim) error {
	project := or(p.run.Project, &brigade.Project{})
	names := []string{c.Name}
	if project.Repository != "" {
		if v1 := cacheName(project.Repository, p.cachedJob()); v1 != c.Name {
			names = append(names, v1)
		}
	}
	for _, name := range names {
		found, err := r.getClaim(ctx, p.run, c.Namespace, name)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return err
		case found.Labels[objects.LabelProject] == c.Labels[objects.LabelProject]:
			p.useClaim(c.Name, name)
			return nil
		case name == c.Name: // another project's, whose name differs in / . - only
			own := clip(c.Name, project.ID+"/"+p.cachedJob(), maxName)
			p.useClaim(c.Name, own)
			c.Name = own
		}
	}
	if err := r.tryClaim(ctx, p.run, c); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// useClaim has the pod mount the claim of another name.
func (p *plan) useClaim(planned, name string) {
	for i, v := range p.pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == planned {
			p.pod.Spec.Volumes[i].PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}
		}
	}
}

func (r *Runner) tryClaim(ctx context.Context, run brigade.JobRun, c *corev1.PersistentVolumeClaim) error {
	return r.try(ctx, run, "its volume claim "+c.Name, func(ctx context.Context) error {
		_, err := r.opt.Cluster.PersistentVolumeClaims(c.Namespace).Create(ctx, c, metav1.CreateOptions{})
		return err
	})
}

func (r *Runner) getClaim(ctx context.Context, run brigade.JobRun, ns, name string) (*corev1.PersistentVolumeClaim, error) {
	var found *corev1.PersistentVolumeClaim
	err := r.try(ctx, run, "its volume claim "+name, func(ctx context.Context) (err error) {
		found, err = r.opt.Cluster.PersistentVolumeClaims(ns).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	return found, err
}
