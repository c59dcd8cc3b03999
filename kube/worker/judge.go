package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
)

// ExitHandedOver is the exit code of a worker that was told to end while its
// build goes on: it is to be started again.
const ExitHandedOver = 75

// verdict is how a pod ended.
type verdict struct {
	result brigade.ScriptResult
	err    error
	// remove: the pod would start later, or is in the way
	remove bool
	// lines are how many the worker has printed; 0 is not known.
	lines int64
	// initLog: the reason is in the log of the container that fetches the files
	initLog bool
}

// judge says how the script ended, or nil while it has not.
func (f *follower) judge(pod *corev1.Pod, there bool) *verdict {
	if f.aborted {
		if !there || ended(pod) {
			return &verdict{err: brigade.Errorf(brigade.CodeCanceled, "the worker was stopped")}
		}
		return nil
	}
	if !there {
		return gone("the pod of the worker was deleted")
	}
	if f.forced {
		return gone("the node of the worker's pod does not answer")
	}
	if v := stuck(pod); v != nil {
		return v
	}
	if !ended(pod) {
		return f.reported(pod)
	}
	if why := lost(pod); why != "" {
		return gone(why)
	}
	for _, s := range pod.Status.InitContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return &verdict{initLog: true, err: brigade.Errorf(brigade.CodeSource, "the files of the build cannot be fetched: container %s ended with exit code %d", s.Name, t.ExitCode).
				WithHint("its last lines are in the build's log; look at the project's repository, ref and credentials")}
		}
	}
	return conclude(pod)
}

func gone(why string) *verdict {
	return &verdict{err: brigade.Errorf(brigade.CodeScriptCrashed, "%s", why)}
}

// ended reports whether the worker will not run any more.
func ended(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	// The phase of a pod that is being deleted comes late.
	s := statusOf(pod)
	return s != nil && s.State.Terminated != nil
}

// begun reports whether the worker has something to say.
func begun(pod *corev1.Pod) bool {
	s := statusOf(pod)
	return s != nil && (s.State.Running != nil || s.State.Terminated != nil)
}

func statusOf(pod *corev1.Pod) *corev1.ContainerStatus {
	for i, s := range pod.Status.ContainerStatuses {
		if s.Name == Container {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// lostReasons are those of pods that the cluster ended, not their program.
var lostReasons = []string{"Evicted", "NodeLost", "NodeShutdown", "Terminated", "Preempting", "Shutdown", "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods", "NodeAffinity"}

// lost says how a pod was taken from its script, "" when it was not: such a
// script is to be started again.
func lost(pod *corev1.Pod) string {
	s := statusOf(pod)
	var t *corev1.ContainerStateTerminated
	if s != nil {
		t = s.State.Terminated
	}
	switch {
	case t != nil && t.ExitCode == 0 && t.Reason == "Completed":
		return "" // it had done its work before
	case t != nil && t.ExitCode == ExitHandedOver:
		return "the worker was told to end"
	case pod.DeletionTimestamp != nil:
		return "the pod of the worker was deleted"
	case pod.Status.Phase == corev1.PodFailed && slices.Contains(lostReasons, pod.Status.Reason):
		return fmt.Sprintf("the pod of the worker was taken off its node: %s %s", pod.Status.Reason, pod.Status.Message)
	case t != nil && t.Reason == "ContainerStatusUnknown":
		return "nobody knows how the worker ended"
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && pod.Status.Phase == corev1.PodFailed {
			return fmt.Sprintf("the pod of the worker was taken off its node: %s", c.Message)
		}
	}
	return ""
}

// stuckReasons are those of containers that cannot start, for pulling first.
var (
	pullReasons  = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
	startReasons = []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)

// stuck is the verdict about a pod that cannot start, or nil.
func stuck(pod *corev1.Pod) *verdict {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		wait := s.State.Waiting
		switch {
		case wait == nil:
		case slices.Contains(pullReasons, wait.Reason):
			return &verdict{remove: true, err: brigade.Errorf(brigade.CodeImagePull, "the image %s of the worker cannot be had: %s", s.Image, orReason(wait)).
				WithHint("look at its name and tag, and at the project's imagePullSecrets")}
		case slices.Contains(startReasons, wait.Reason):
			return &verdict{remove: true, err: brigade.Errorf(brigade.CodeScriptLoad, "the container %s of the worker cannot start: %s", s.Name, orReason(wait)).
				WithHint("look at the project's worker settings; kubectl describe pod %s tells more", pod.Name)}
		}
	}
	return nil
}

func orReason(w *corev1.ContainerStateWaiting) string {
	if w.Message == "" {
		return w.Reason
	}
	return w.Reason + ": " + w.Message
}

// conclude reads the exit code, and what the worker left as its message.
func conclude(pod *corev1.Pod) *verdict {
	s := statusOf(pod)
	if s == nil || s.State.Terminated == nil {
		return gone(strings.TrimSpace(fmt.Sprintf("the pod of the worker ended without it: %s %s", pod.Status.Reason, pod.Status.Message)))
	}
	t := s.State.Terminated
	result := brigade.ScriptResult{ExitCode: int(t.ExitCode), Handled: true}
	if told, ok := decodeResult(t.Message); ok {
		told.ExitCode = result.ExitCode
		result = told
	}
	switch {
	case t.ExitCode == 0:
	case t.Reason == "OOMKilled":
		result.Failure = brigade.Errorf(brigade.CodeScriptLimit, "the worker used more memory than it may").WithHint("raise its memory limit")
	case pod.Status.Reason == "DeadlineExceeded":
		result.Failure = brigade.Errorf(brigade.CodeScriptLimit, "the worker ran longer than it may")
	}
	return &verdict{result: withReason(result)}
}

// maxMessage is how long a termination message may be, in bytes.
const maxMessage = 4096

// resultKey tells our message from what other workers may leave.
const resultKey = "brigadeResult"

// EncodeResult is the termination message about a result, within the size that
// a message may have: what is long is cut, what is optional left out.
func EncodeResult(r brigade.ScriptResult) []byte {
	try := func() []byte {
		data, err := json.Marshal(map[string]brigade.ScriptResult{resultKey: r})
		if err != nil || len(data) > maxMessage {
			return nil
		}
		return data
	}
	if data := try(); data != nil {
		return data
	}
	r.Handlers = nil
	if r.Failure != nil {
		r.Failure = &brigade.Error{Code: r.Failure.Code, Message: cut(r.Failure.Message, 1000), Hint: cut(r.Failure.Hint, 300)}
	}
	if data := try(); data != nil {
		return data
	}
	r.Failure = &brigade.Error{Code: r.Failure.Code, Message: "the log says why"}
	return try()
}

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + " …"
}

func decodeResult(message string) (brigade.ScriptResult, bool) {
	var told map[string]*brigade.ScriptResult
	if json.Unmarshal([]byte(message), &told) != nil || told[resultKey] == nil {
		return brigade.ScriptResult{}, false
	}
	return *told[resultKey], true
}

// afterword does what a verdict asks for.
func (f *follower) afterword(ctx context.Context, pod *corev1.Pod, v *verdict) {
	if v.remove {
		f.force(ctx)
	}
	if !v.initLog {
		return
	}
	tail := int64(50)
	from, err := f.w.opt.Client.PodLog(ctx, pod.Namespace, pod.Name, &corev1.PodLogOptions{Container: Sidecar, TailLines: &tail})
	if err != nil {
		return
	}
	defer func() { _ = from.Close() }()
	text, _ := io.ReadAll(io.LimitReader(from, 64<<10))
	if lines := strings.TrimRight(string(text), "\n"); lines != "" {
		f.host.Log(f.level(), lines)
	}
}

// level is one that the build's log shows: the worker has left out by itself
// what it does not want to show.
func (f *follower) level() brigade.LogLevel {
	if level := f.run.Build.Event.LogLevel; level != "" {
		return level
	}
	return brigade.LevelLog
}
