package pods

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// reading is what a pod's status means for its job.
type reading struct {
	state   brigade.State // pending, pulling or running
	note    string        // what it waits for, for people; "" when there is nothing to say
	started bool          // the job's container runs, or has
	ended   bool          // it has ended: exit is right, unless err says why there is no result
	over    bool          // the whole pod has ended, sidecars too
	exit    brigade.Exit
	err     error  // why there will be no exit: it does not start, or is lost
	passes  bool   // err may mend itself
	outputs []byte // its termination message
}

// read says how the job of that name is, from its pod.
func read(pod *corev1.Pod, job string) reading {
	s := pod.Status
	r := reading{state: brigade.StatePending, over: s.Phase == corev1.PodSucceeded || s.Phase == corev1.PodFailed}
	main := statusOf(s.ContainerStatuses, objects.ContainerJob)
	switch {
	case main != nil && main.State.Terminated != nil:
		r.terminated(pod, job, main.State.Terminated)
	case s.Phase == corev1.PodFailed || s.Phase == corev1.PodSucceeded:
		r.ended = true
		r.err = r.neverRan(pod, job)
	case main != nil && main.State.Running != nil:
		r.started, r.state = true, brigade.StateRunning
		r.exit.Started = main.State.Running.StartedAt.Time
	default:
		r.waiting(pod, job, main)
	}
	return r
}

func statusOf(list []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// The reasons that the kubelet gives for a container that could not begin.
func neverBegan(reason string) bool {
	switch reason {
	case "StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError":
		return true
	}
	return false
}

// terminated reads the end of the job's container.
func (r *reading) terminated(pod *corev1.Pod, job string, t *corev1.ContainerStateTerminated) {
	r.ended = true
	if neverBegan(t.Reason) {
		r.err = brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: %s", job, oneLine(t.Message)).
			WithHint("does the image have the shell that runs the tasks? job.shell says which")
		return
	}
	r.started, r.state = true, brigade.StateRunning
	r.exit = brigade.Exit{Code: int(t.ExitCode), Started: t.StartedAt.Time, Ended: t.FinishedAt.Time}
	if t.Signal > 0 && r.exit.Code == 0 {
		r.exit.Code = 128 + int(t.Signal)
	}
	if r.exit.Ended.Before(r.exit.Started) {
		r.exit.Ended = r.exit.Started
	}
	r.outputs = []byte(t.Message)
	if r.exit.Code == 0 {
		return
	}
	switch {
	case t.Reason == "ContainerStatusUnknown":
		r.err = lostErr(job, "its node does not know how it ended")
	case t.Reason == "OOMKilled":
		r.exit.Reason = "out of memory"
	case pod.Status.Reason == "DeadlineExceeded":
		r.exit.Reason = "over its time limit"
		r.err = brigade.Errorf(brigade.CodeJobTimeout, "job %q was ended by the cluster: it ran longer than its time limit", job)
	case pod.Status.Reason == "Evicted":
		r.evicted(pod, job)
	default:
		r.disturbed(pod, job, t.FinishedAt.Time)
	}
}

// evicted reads why the node has thrown the pod out: because of what the job
// did, which it would do again, or because of what others did.
func (r *reading) evicted(pod *corev1.Pod, job string) {
	message := oneLine(pod.Status.Message)
	if strings.Contains(message, "exceed") {
		r.exit.Reason = "evicted: " + message
		return
	}
	r.err = lostErr(job, "its node has evicted it: "+message)
}

// disturbed finds out whether the pod ended because somebody wanted that, and
// not by itself.
func (r *reading) disturbed(pod *corev1.Pod, job string, finished time.Time) {
	if why := disruption(pod); why != "" {
		r.err = lostErr(job, why)
		return
	}
	if pod.Status.Reason == "NodeShutdown" || pod.Status.Reason == "Terminated" {
		r.err = lostErr(job, "its node shuts down")
		return
	}
	if pod.DeletionTimestamp == nil {
		return
	}
	grace := int64(0)
	if pod.DeletionGracePeriodSeconds != nil {
		grace = *pod.DeletionGracePeriodSeconds
	}
	asked := pod.DeletionTimestamp.Add(-time.Duration(grace) * time.Second)
	if finished.Before(asked) {
		return // it had ended before
	}
	r.err = lostErr(job, "somebody has deleted its pod")
}

// disruption says who has taken the pod away, "" when nobody did.
func disruption(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.DisruptionTarget || c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Reason {
		case "PreemptionByScheduler":
			return "it was preempted: a pod of higher priority took its place"
		case "DeletionByTaintManager":
			return "its node is lost or does not want it any more: " + oneLine(c.Message)
		case "EvictionByEvictionAPI":
			return "it was evicted, such as when a node is drained: " + oneLine(c.Message)
		case "DeletionByPodGC":
			return "its node is gone: " + oneLine(c.Message)
		case "TerminationByKubelet":
			return "its node has ended it: " + oneLine(or(pod.Status.Message, c.Message))
		}
		return "the cluster has ended it: " + oneLine(or(c.Message, c.Reason))
	}
	return ""
}

// neverRan is the error of a pod that has ended although its container never
// ran.
func (r *reading) neverRan(pod *corev1.Pod, job string) error {
	s := pod.Status
	for _, c := range s.InitContainerStatuses {
		if t := c.State.Terminated; t != nil && t.ExitCode != 0 && pod.DeletionTimestamp == nil && s.Reason == "" {
			return initError(job, c.Name, t)
		}
	}
	if why := disruption(pod); why != "" {
		return lostErr(job, why)
	}
	message := oneLine(or(s.Message, s.Reason))
	switch s.Reason {
	case "DeadlineExceeded":
		return brigade.Errorf(brigade.CodeJobTimeout, "job %q did not start within its time limit", job)
	case "Evicted":
		return lostErr(job, "its node has evicted it: "+message)
	case "NodeShutdown", "Terminated", "Shutdown", "NodeLost":
		return lostErr(job, "its node is going away: "+message)
	}
	if pod.DeletionTimestamp != nil || message == "" {
		return lostErr(job, "its pod has ended without running it")
	}
	return brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: its node does not take it: %s", job, message)
}

func initError(job, container string, t *corev1.ContainerStateTerminated) error {
	if container == objects.ContainerSidecar {
		return brigade.Errorf(brigade.CodeSource, "job %q: its files could not be fetched: container %s ended with exit code %d%s", job, container, t.ExitCode, colon(t.Message)).
			WithHint("`kubectl logs <pod> -c %s` shows what it printed; it is in the job's log, too", container)
	}
	return brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: container %s ended with exit code %d%s", job, container, t.ExitCode, colon(t.Message))
}

func colon(text string) string {
	if text = oneLine(text); text == "" {
		return ""
	}
	return ": " + text
}

// waiting reads what a pod waits for whose job has not begun.
func (r *reading) waiting(pod *corev1.Pod, job string, main *corev1.ContainerStatus) {
	if objects.WaitsForTurn(pod) {
		r.note = "it waits for its turn: as many jobs run as may at once"
		return
	}
	if pod.Spec.NodeName == "" {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				r.note = "it waits for a node: " + oneLine(or(c.Message, c.Reason))
			}
		}
		return
	}
	fetching := false
	for _, c := range pod.Status.InitContainerStatuses {
		if r.stuck(job, c); r.err != nil {
			return
		}
		if c.State.Running != nil && c.Name == objects.ContainerSidecar {
			r.note = "fetching its files"
		}
		fetching = fetching || c.State.Terminated == nil && c.Name == objects.ContainerSidecar
	}
	if main != nil {
		if r.stuck(job, *main); r.err != nil {
			return
		}
	}
	if r.note == "" && !fetching && sandboxReady(pod) && main != nil {
		r.state = brigade.StatePulling
		r.note = fmt.Sprintf("pulling %s, or creating its container, on node %s", main.Image, pod.Spec.NodeName)
	}
}

func sandboxReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// stuck reads why a container does not begin.
func (r *reading) stuck(job string, c corev1.ContainerStatus) {
	w := c.State.Waiting
	if w == nil {
		return
	}
	message := oneLine(w.Message)
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		e := brigade.Errorf(brigade.CodeImagePull, "image %s of job %q cannot be pulled: %s", c.Image, job, or(message, w.Reason))
		r.err, r.passes = e.WithHint("is the name right, and may the cluster pull it? job.imagePullSecrets names credentials"), passing(message)
		if w.Reason == "ImagePullBackOff" && !strings.Contains(message, ":") {
			r.passes = true // it says nothing: what it said before counts
		}
	case "CreateContainerConfigError":
		r.err = brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: %s", job, or(message, w.Reason)).
			WithHint("a Secret or ConfigMap that it refers to must be there before, with that key")
	case "CreateContainerError", "RunContainerError", "PreStartHookError", "PostStartHookError":
		r.err = brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: %s", job, or(message, w.Reason))
		r.passes = strings.Contains(message, "failed to reserve container name") || strings.Contains(message, "context deadline exceeded")
	}
}

// passing reports whether an image may be pulled a moment later: the network or
// the registry failed, or the node had too many pulls at once.
func passing(message string) bool {
	for _, text := range []string{
		"pull QPS exceeded", "i/o timeout", "TLS handshake timeout", "connection refused", "connection reset", "no route to host", "network is unreachable",
		"Temporary failure", "server misbehaving", "context deadline exceeded", "unexpected EOF", "toomanyrequests", "Too Many Requests",
		"500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway", "no space left on device", "Client.Timeout exceeded",
	} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

func lostErr(job, why string) error {
	return brigade.Errorf(brigade.CodeJobLost, "job %q is lost: %s", job, strings.TrimSuffix(why, ": ")).
		WithHint("it can be run again; job.retry does so by itself")
}

// oneLine makes a message of the cluster part of a sentence.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const most = 600
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.TrimSuffix(text, ".")
}
