package worker

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// resultAnnotation is on the pod of a worker of this program, just before it
// ends: how its script ended. A node tells that a container has ended up to
// seconds later, the more the busier it is; a build need not wait for that.
const resultAnnotation = "brigade.sh/worker-result"

// report is the annotation's content.
type report struct {
	Result json.RawMessage `json:"result"` // see EncodeResult
	Lines  int64           `json:"lines"`  // that the worker has printed, to its end
}

// Report writes on this pod how the script ended and how many lines it has
// printed. Nothing is printed after it. It is good for speed only: what holds is
// the exit code and the message of the container.
func (in *Inside) Report(ctx context.Context, result brigade.ScriptResult, lines int64) error {
	text, err := json.Marshal(report{EncodeResult(result), lines})
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{resultAnnotation: string(text)}}})
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	_, err = in.client.Pods("").Patch(ctx, in.pod, types.MergePatchType, patch, metav1.PatchOptions{})
	return cluster.Error(err)
}

// reported is the verdict of a worker that has said itself how its script
// ended, nil when it has not, or its pod is being taken away. It is as good as
// the exit code, which is the worker's word, too.
func (f *follower) reported(pod *corev1.Pod) *verdict {
	text := pod.Annotations[resultAnnotation]
	if text == "" || pod.DeletionTimestamp != nil {
		return nil
	}
	var told report
	if json.Unmarshal([]byte(text), &told) != nil {
		return nil
	}
	result, ok := decodeResult(string(told.Result))
	if !ok {
		return nil
	}
	return &verdict{result: withReason(result), lines: told.Lines}
}

// withReason is the result with a failure that fits its exit code.
func withReason(r brigade.ScriptResult) brigade.ScriptResult {
	switch {
	case r.ExitCode == 0:
		r.Failure = nil
	case r.Failure == nil:
		r.Failure = brigade.Errorf(brigade.CodeBuildFailed, "the worker ended with exit code %d", r.ExitCode).WithHint("its log says why")
	}
	return r
}
