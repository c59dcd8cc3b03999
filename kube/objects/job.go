package objects

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
)

// JobResult is how a job ended, as JSON in the annotation
// brigade.sh/job-result of its pod.
type JobResult struct {
	State        brigade.State      `json:"state"`
	Failure      *brigade.Error     `json:"failure,omitempty"`
	Attempt      int                `json:"attempt,omitempty"`
	ExitCode     int                `json:"exitCode,omitempty"`
	Started      time.Time          `json:"started,omitzero"`
	Ended        time.Time          `json:"ended,omitzero"`
	Outputs      map[string]any     `json:"outputs,omitempty"`
	LogBytes     int64              `json:"logBytes,omitempty"`
	Truncated    bool               `json:"truncated,omitempty"`
	Artifacts    []brigade.Artifact `json:"artifacts,omitempty"`
	Retries      int                `json:"retries,omitempty"`
	BuildRetries int                `json:"buildRetries,omitempty"`
	LogFrom      int64              `json:"logFrom,omitempty"`
}

// What annotations may take of the 256 KiB that all of an object's may have,
// and from which size on they are compressed.
const (
	maxJobRecord = 120 << 10
	maxJobResult = 60 << 10
	packFrom     = 4 << 10
	packed       = "gz:"
	maxUnpacked  = 32 << 20
)

// JobRecord is the value of the annotation brigade.sh/job: the job as it is
// started, its spec masked already. A spec that is too large even compressed is
// cut to its name and image: such a job runs again after a restart without
// memory.
func JobRecord(j *brigade.Job) (string, error) {
	record := *j
	record.Outputs, record.History = nil, nil
	text, err := pack(&record, maxJobRecord)
	if err == nil && text == "" {
		record.Spec = brigade.JobSpec{Name: j.Spec.Name, Image: j.Spec.Image}
		text, err = pack(&record, maxJobRecord)
	}
	return text, err
}

// JobResultOf is the value of the annotation brigade.sh/job-result. Outputs and
// artifacts that are too many even compressed are left out.
func JobResultOf(j *brigade.Job) (string, error) {
	r := JobResult{
		State: j.State, Attempt: j.Attempt, ExitCode: j.ExitCode, Started: j.Started, Ended: j.Ended,
		Outputs: j.Outputs, LogBytes: j.LogBytes, Truncated: j.Truncated, Artifacts: j.Artifacts,
		Retries: j.Retries, BuildRetries: j.BuildRetries, LogFrom: j.LogFrom,
	}
	if f := j.Failure; f != nil {
		r.Failure = &brigade.Error{Code: f.Code, Message: cut(f.Message, maxFailure), Hint: cut(f.Hint, maxFailure)}
	}
	text, err := pack(&r, maxJobResult)
	if err == nil && text == "" {
		r.Outputs, r.Artifacts = nil, nil
		text, err = pack(&r, maxJobResult)
	}
	return text, err
}

// pack writes v as JSON, compressed when that is worth it; "" when it is larger
// than most.
func pack(v any, most int) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write an annotation: %w", err)
	}
	text := string(plain)
	if len(text) > packFrom {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(plain) // to memory: it does not fail
		_ = z.Close()
		text = packed + base64.StdEncoding.EncodeToString(b.Bytes())
	}
	if len(text) > most {
		return "", nil
	}
	return text, nil
}

// unpack reads what pack wrote.
func unpack(text string, v any) error {
	data := []byte(text)
	if rest, ok := strings.CutPrefix(text, packed); ok {
		z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(rest)))
		if err != nil {
			return err
		}
		if data, err = io.ReadAll(io.LimitReader(z, maxUnpacked)); err != nil {
			return err
		}
	}
	return json.Unmarshal(data, v)
}

// ReadJob makes the record of a job from its pod: from the annotations when
// this program made the pod, and for everything they do not say from the pod
// itself, as v1's tools do. It is false when the pod is no job's.
func ReadJob(pod *corev1.Pod) (*brigade.Job, bool) {
	build, ok := BuildID(pod.Labels[LabelBuild])
	if pod.Labels[LabelComponent] != ComponentJob || !ok {
		return nil, false
	}
	j := &brigade.Job{}
	if text := pod.Annotations[AnnotationJob]; text == "" || unpack(text, j) != nil {
		*j = brigade.Job{Attempt: 1, Spec: specOf(pod)}
	}
	j.ID, j.BuildID, j.Handle = pod.Name, build, pod.Name
	if j.Name == "" {
		if j.Name = pod.Labels[LabelJobName]; j.Name == "" {
			j.Name = strings.TrimSuffix(pod.Name, "-"+build)
		}
	}
	if j.Created.IsZero() {
		j.Created = pod.CreationTimestamp.UTC()
	}
	readStatus(j, pod)
	var r JobResult
	if text := pod.Annotations[AnnotationJobResult]; text != "" && unpack(text, &r) == nil && r.State.Ended() {
		j.State, j.Failure, j.Attempt, j.ExitCode = r.State, r.Failure, r.Attempt, r.ExitCode
		j.Started, j.Ended, j.Outputs = r.Started, r.Ended, r.Outputs
		j.LogBytes, j.Truncated, j.Artifacts = r.LogBytes, r.Truncated, r.Artifacts
		j.Retries, j.BuildRetries, j.LogFrom = r.Retries, r.BuildRetries, r.LogFrom
	}
	return j, true
}

// HasResult reports whether the pod says how its job ended: whoever ran it has
// seen its end.
func HasResult(pod *corev1.Pod) bool {
	var r JobResult
	return unpack(pod.Annotations[AnnotationJobResult], &r) == nil && r.State.Ended()
}

// specOf is what can be told of a job's spec from its pod.
func specOf(pod *corev1.Pod) brigade.JobSpec {
	spec := brigade.JobSpec{Name: pod.Labels[LabelJobName]}
	for _, c := range pod.Spec.Containers {
		if c.Name != ContainerJob {
			continue
		}
		spec.Image, spec.Args = c.Image, c.Args
		if len(c.Command) > 0 {
			spec.Shell = c.Command[0]
		}
		spec.ImageForcePull = c.ImagePullPolicy == corev1.PullAlways
		if x := c.SecurityContext; x != nil && x.Privileged != nil {
			spec.Privileged = *x.Privileged
		}
	}
	spec.ServiceAccount = pod.Spec.ServiceAccountName
	return spec
}

// readStatus sets state, times, exit code and failure from the pod's status.
func readStatus(j *brigade.Job, pod *corev1.Pod) {
	end := podEnd{code: -1}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == ContainerJob {
			end.read(c.State)
		}
	}
	if !end.started.IsZero() {
		j.Started = end.started
	}
	switch pod.Status.Phase {
	case corev1.PodRunning, corev1.PodUnknown:
		j.State = brigade.StateRunning
	case corev1.PodSucceeded:
		j.State, j.ExitCode, j.Ended = brigade.StateSucceeded, 0, end.ended
	case corev1.PodFailed:
		j.State, j.ExitCode, j.Ended = brigade.StateFailed, end.code, end.ended
		if j.Failure = podFailure(pod, end); end.code < 0 {
			j.ExitCode = j.Failure.Code.ExitCode()
		}
	default:
		j.State = brigade.StatePending
		if end.pulling {
			j.State = brigade.StatePulling
		}
	}
	if j.State.Ended() && j.Ended.IsZero() {
		j.Ended = lastChange(pod)
	}
}

// podEnd is what a container's status says.
type podEnd struct {
	code           int // -1: not known
	reason         string
	started, ended time.Time
	pulling        bool
}

func (e *podEnd) read(s corev1.ContainerState) {
	switch {
	case s.Terminated != nil:
		e.code, e.reason = int(s.Terminated.ExitCode), s.Terminated.Reason
		e.started, e.ended = s.Terminated.StartedAt.UTC(), s.Terminated.FinishedAt.UTC()
	case s.Running != nil:
		e.started = s.Running.StartedAt.UTC()
	case s.Waiting != nil:
		e.pulling = strings.Contains(s.Waiting.Reason, "Pull") || s.Waiting.Reason == "ContainerCreating"
	}
}

// podFailure says why a failed pod failed.
func podFailure(pod *corev1.Pod, end podEnd) *brigade.Error {
	switch {
	case pod.Status.Reason == "DeadlineExceeded":
		return brigade.Errorf(brigade.CodeJobTimeout, "the pod's deadline is over")
	case end.code < 0 && pod.Status.Reason != "":
		return brigade.Errorf(brigade.CodeJobLost, "the pod failed: %s", strings.TrimSpace(pod.Status.Reason+" "+pod.Status.Message))
	case end.code < 0:
		return brigade.Errorf(brigade.CodeJobLost, "the pod failed, and nobody knows why")
	case end.reason != "" && end.reason != "Error":
		return brigade.Errorf(brigade.CodeBuildFailed, "it ended with exit code %d (%s)", end.code, end.reason)
	}
	return brigade.Errorf(brigade.CodeBuildFailed, "it ended with exit code %d", end.code)
}

// lastChange is the newest time in a pod's conditions.
func lastChange(pod *corev1.Pod) time.Time {
	last := pod.CreationTimestamp.UTC()
	for _, c := range pod.Status.Conditions {
		if t := c.LastTransitionTime.UTC(); t.After(last) {
			last = t
		}
	}
	return last
}

// ApplyWorkerPod sets on b what its worker pod says, for builds whose status
// nobody else has written: v1's own, see Build.HasStatus. Without a pod (nil)
// an accepted build is over, and nobody knows how.
func ApplyWorkerPod(b *brigade.Build, pod *corev1.Pod) {
	b.State, b.Attempt = brigade.StateFailed, 1
	if pod == nil {
		b.ExitCode, b.Ended = brigade.CodeJobLost.ExitCode(), b.Created
		b.Failure = brigade.Errorf(brigade.CodeJobLost, "it was started by Brigade v1, and its worker pod is gone: nobody knows how it ended").
			WithHint("run it again with `brig rerun %s`", b.ID)
		return
	}
	end := podEnd{code: -1}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == ContainerWorker || len(pod.Status.ContainerStatuses) == 1 {
			end.read(c.State)
		}
	}
	b.Started, b.Failure, b.ExitCode, b.Ended = end.started, nil, 0, time.Time{}
	if b.Started.IsZero() {
		b.Started = pod.CreationTimestamp.UTC()
	}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		b.State = brigade.StateSucceeded
	case corev1.PodFailed:
		b.Failure, b.ExitCode = podFailure(pod, end), max(end.code, 1)
		if end.code > 0 {
			b.Failure = brigade.Errorf(brigade.CodeBuildFailed, "the worker ended with exit code %d", end.code)
		}
	default:
		b.State = brigade.StateRunning
		return
	}
	if b.Ended = end.ended; b.Ended.IsZero() {
		b.Ended = lastChange(pod)
	}
}
