package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// podEntry is what is kept of a pod: enough to find its log.
type podEntry struct {
	name, ns string
	build    string // its ID
	job      bool   // else it is the worker's
	ended    bool
	byWorker bool // a worker pod runs the job: nobody here keeps its record
	owned    bool // it goes with its owner
}

// legacyLease keeps a build that v1's controller has started from being
// claimed: its worker pod runs on.
var legacyLease = brigade.Lease{Owner: "brigade-v1", Expires: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}

// slimPod drops of a pod what is not read here.
func slimPod(p *corev1.Pod) *corev1.Pod {
	p.Spec.Volumes, p.Spec.InitContainers, p.Spec.Tolerations, p.Spec.Affinity = nil, nil, nil, nil
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		c.Env, c.VolumeMounts = nil, nil
	}
	return p
}

// podTold takes in what the watch tells of pods.
func (s *Store) podTold(ev cluster.Event[*corev1.Pod]) {
	pod := ev.Object()
	label := pod.Labels[objects.LabelBuild]
	id, ok := objects.BuildID(label)
	if ev.Type == cluster.Deleted {
		s.podGone(pod.Name)
		return
	}
	component := pod.Labels[objects.LabelComponent]
	if !ok || component != objects.ComponentBuild && component != objects.ComponentJob {
		return
	}
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	p := &podEntry{
		name: pod.Name, ns: pod.Namespace, build: id, job: component == objects.ComponentJob, ended: ended,
		byWorker: pod.Annotations[objects.AnnotationRunner] != objects.RunnerController,
		owned:    len(pod.OwnerReferences) > 0,
	}
	s.mu.Lock()
	if s.pods[p.name] == nil {
		s.podsOf[id] = append(s.podsOf[id], p.name)
	}
	s.pods[p.name] = p
	e := s.entries[id]
	legacy := e != nil && e.legacy
	s.mu.Unlock()
	switch {
	case e == nil: // the pod of a build that is gone
	case p.job:
		s.jobPod(pod, p)
	case legacy && pod.Name == e.secret:
		s.legacyPod(e, pod)
	}
}

func (s *Store) podGone(name string) {
	s.mu.Lock()
	p := s.pods[name]
	delete(s.pods, name)
	var e *entry
	legacy := false
	if p != nil {
		if left := slices.DeleteFunc(s.podsOf[p.build], func(n string) bool { return n == name }); len(left) == 0 {
			delete(s.podsOf, p.build)
		} else {
			s.podsOf[p.build] = left
		}
		if e = s.entries[p.build]; e != nil {
			legacy = e.legacy && name == e.secret
		}
	}
	s.mu.Unlock()
	if legacy {
		s.legacyPod(e, nil)
	}
	if p != nil && p.job && p.byWorker && e != nil {
		s.jobPodGone(name)
	}
}

// jobPod writes down a job whose record nobody here keeps: one that a worker
// pod runs, or one of before the start that a store in memory has forgotten.
func (s *Store) jobPod(pod *corev1.Pod, p *podEntry) {
	ctx := context.Background()
	j, ok := objects.ReadJob(pod)
	if !ok {
		return
	}
	if p.byWorker && s.isRun(ctx, p.build) {
		return // whoever runs the build follows its worker's jobs
	}
	have, err := s.inner.Job(ctx, j.ID)
	switch {
	case err != nil && brigade.CodeOf(err) != brigade.CodeNotFound:
		s.log.Error("read a job", "job", j.ID, "err", err)
		return
	case err == nil && !p.byWorker && !s.opt.Observer:
		return // this process keeps it
	case err == nil && have.State.Ended() && !objects.HasResult(pod) && have.Attempt >= j.Attempt:
		return
	}
	if !p.byWorker && !s.opt.Observer && !objects.HasResult(pod) && j.State.Ended() {
		// It ended while nobody looked: whoever attaches to it reads how.
		j.State, j.Failure, j.ExitCode, j.Ended = brigade.StateRunning, nil, 0, time.Time{}
	}
	if have != nil {
		j.History, j.Created = have.History, have.Created
		if have.State == j.State && have.Attempt == j.Attempt && have.ExitCode == j.ExitCode {
			return
		}
	}
	addStep(j, s.opt.Now())
	if err := s.inner.PutJob(ctx, j); err != nil {
		if brigade.CodeOf(err) != brigade.CodeNotFound {
			s.log.Error("write down a job", "job", j.ID, "err", err)
		}
		return
	}
	s.changed(brigade.Change{BuildID: j.BuildID, JobID: j.ID, Job: j})
}

// isRun reports whether the build is under a lease of ours: somebody of this
// program follows it.
func (s *Store) isRun(ctx context.Context, id string) bool {
	b, err := s.inner.Build(ctx, id)
	return err == nil && b.ID == id && b.Lease.Owner != "" && b.Lease.Owner != legacyLease.Owner && b.Lease.Expires.After(s.opt.Now())
}

func addStep(j *brigade.Job, now time.Time) {
	if n := len(j.History); n > 0 && j.History[n-1].State == j.State {
		return
	}
	at := now
	switch {
	case j.State.Ended() && !j.Ended.IsZero():
		at = j.Ended
	case j.State == brigade.StateRunning && !j.Started.IsZero():
		at = j.Started
	case j.State == brigade.StatePending:
		at = j.Created
	}
	j.History = append(slices.Clone(j.History), brigade.Step{State: j.State, Time: at})
}

// jobPodGone ends the record of a job whose pod was deleted under way.
func (s *Store) jobPodGone(id string) {
	ctx := context.Background()
	j, err := s.inner.Job(ctx, id)
	if err != nil || j.State.Ended() {
		return
	}
	j.State, j.Ended = brigade.StateFailed, s.opt.Now()
	j.Failure = brigade.Errorf(brigade.CodeJobLost, "its pod was deleted")
	j.ExitCode = j.Failure.Code.ExitCode()
	addStep(j, j.Ended)
	if err := s.inner.PutJob(ctx, j); err == nil {
		s.changed(brigade.Change{BuildID: j.BuildID, JobID: j.ID, Job: j})
	}
}

// legacyPod takes over how a build of v1 goes from its worker pod, nil when
// that is gone. An end that was seen here is written to the Secret.
func (s *Store) legacyPod(e *entry, pod *corev1.Pod) {
	ctx := context.Background()
	b, err := s.inner.Build(ctx, e.id)
	if err != nil || b.ID != e.id || b.State.Ended() {
		return
	}
	seen := !b.Started.IsZero() && s.opt.Scope == ScopeAll && !s.opt.Observer // it ran before our eyes
	change := func(b *brigade.Build) error {
		objects.ApplyWorkerPod(b, pod)
		if b.State.Ended() {
			b.Lease = brigade.Lease{}
		}
		return nil
	}
	if seen && (pod == nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed) {
		b, err = s.UpdateBuild(ctx, e.id, change)
	} else {
		b, err = s.inner.UpdateBuild(ctx, e.id, change)
	}
	if err != nil {
		s.log.Error("write down a build of v1", "build", e.id, "err", err)
		return
	}
	s.changed(brigade.Change{BuildID: b.ID, Build: withoutLarge(b)})
}

// PutJob creates or replaces a job. When it has ended and the inner store
// forgets with the process, its pod is given the record.
func (s *Store) PutJob(ctx context.Context, j *brigade.Job) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.inner.PutJob(ctx, j); err != nil {
		return err
	}
	if !j.State.Ended() || s.opt.Durable || j.Inherited != "" {
		return nil
	}
	s.mu.Lock()
	p := s.pods[j.ID]
	s.mu.Unlock()
	if p == nil && j.Handle == "" || p != nil && p.byWorker {
		return nil // there was no pod, or its worker gives it the record
	}
	result, err := objects.JobResultOf(j)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{objects.AnnotationJobResult: result}}})
	if err != nil {
		return err
	}
	ns := ""
	if p != nil {
		ns = p.ns
	}
	_, err = s.client.Pods(ns).Patch(ctx, j.ID, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		// The record is written; only a restart would run the job again.
		s.log.Warn("the pod could not be given its job's record", "job", j.ID, "err", cluster.Error(err))
	}
	return nil
}

// Job finds one by ID.
func (s *Store) Job(ctx context.Context, id string) (*brigade.Job, error) {
	if err := s.needJob(ctx, id); err != nil {
		return nil, err
	}
	return s.inner.Job(ctx, id)
}

// ListJobs returns a build's jobs by creation.
func (s *Store) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	if err := s.needJobs(ctx, buildID); err != nil {
		return nil, err
	}
	return s.inner.ListJobs(ctx, buildID)
}
