package pods

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	brigade "github.com/brigadecore/brigade/v3"
)

// TestRead reads pods' states as clusters write them.
func TestRead(t *testing.T) {
	const ended = `{phase: Failed, containerStatuses: [{name: brigaderun, state: {terminated: {exitCode: 137, reason: Error, startedAt: "2026-01-02T03:04:05Z", finishedAt: "2026-01-02T03:05:05Z"}}}]`
	for name, c := range map[string]struct {
		status  string
		node    string
		deleted time.Duration // after the end; 0: not
		want    func(reading) bool
		code    brigade.Code
		says    string
	}{
		"new":               {status: `{phase: Pending}`, want: func(r reading) bool { return r.state == brigade.StatePending && r.note == "" }},
		"unschedulable":     {status: `{phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/1 nodes are available: 1 node(s) had untolerated taint(s)."}]}`, want: func(r reading) bool { return strings.Contains(r.note, "waits for a node: 0/1 nodes are available") }},
		"cloning":           {node: "n", status: `{phase: Pending, initContainerStatuses: [{name: vcs-sidecar, state: {running: {}}}], containerStatuses: [{name: brigaderun, image: i, state: {waiting: {reason: PodInitializing}}}]}`, want: func(r reading) bool { return r.note == "fetching its files" }},
		"pulling":           {node: "n", status: `{phase: Pending, conditions: [{type: PodReadyToStartContainers, status: "True"}], containerStatuses: [{name: brigaderun, image: i, state: {waiting: {reason: ContainerCreating}}}]}`, want: func(r reading) bool { return r.state == brigade.StatePulling && strings.Contains(r.note, "pulling i") }},
		"running":           {node: "n", status: `{phase: Running, containerStatuses: [{name: brigaderun, state: {running: {startedAt: "2026-01-02T03:04:05Z"}}}]}`, want: func(r reading) bool { return r.started && !r.ended && r.state == brigade.StateRunning }},
		"succeeded":         {node: "n", status: `{phase: Succeeded, containerStatuses: [{name: brigaderun, state: {terminated: {exitCode: 0, reason: Completed, message: "a=b"}}}]}`, want: func(r reading) bool { return r.ended && r.exit.Code == 0 && string(r.outputs) == "a=b" }},
		"sidecar runs on":   {node: "n", status: `{phase: Running, containerStatuses: [{name: brigaderun, state: {terminated: {exitCode: 3}}}]}`, want: func(r reading) bool { return r.ended && !r.over && r.exit.Code == 3 }},
		"failed":            {node: "n", status: ended + `}`, want: func(r reading) bool { return r.exit.Code == 137 && r.exit.Reason == "" && r.err == nil }},
		"out of memory":     {node: "n", status: strings.Replace(ended, "reason: Error", "reason: OOMKilled", 1) + `}`, want: func(r reading) bool { return r.exit.Reason == "out of memory" && r.err == nil }},
		"deleted":           {node: "n", status: ended + `}`, deleted: -10 * time.Second, code: brigade.CodeJobLost, says: "somebody has deleted its pod"},
		"deleted later":     {node: "n", status: ended + `}`, deleted: time.Minute, want: func(r reading) bool { return r.exit.Code == 137 && r.err == nil }},
		"deadline":          {node: "n", status: ended + `, reason: DeadlineExceeded}`, code: brigade.CodeJobTimeout, says: "longer than its time limit"},
		"deadline, unbegun": {node: "n", status: `{phase: Failed, reason: DeadlineExceeded}`, code: brigade.CodeJobTimeout, says: "did not start"},
		"evicted":           {node: "n", status: `{phase: Failed, reason: Evicted, message: "The node was low on resource: memory."}`, code: brigade.CodeJobLost, says: "low on resource: memory"},
		"evicted, running":  {node: "n", status: ended + `, reason: Evicted, message: "The node was low on resource: memory."}`, code: brigade.CodeJobLost, says: "low on resource: memory"},
		"evicted by itself": {node: "n", status: ended + `, reason: Evicted, message: "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."}`, want: func(r reading) bool {
			return r.err == nil && strings.Contains(r.exit.Reason, "exceeds the total limit")
		}},
		"preempted":        {node: "n", status: ended + `, conditions: [{type: DisruptionTarget, status: "True", reason: PreemptionByScheduler}]}`, code: brigade.CodeJobLost, says: "preempted"},
		"node lost":        {node: "n", status: ended + `, conditions: [{type: DisruptionTarget, status: "True", reason: DeletionByTaintManager, message: "Taint manager: deleting due to NoExecute taint"}]}`, code: brigade.CodeJobLost, says: "its node is lost"},
		"node gone":        {node: "n", status: `{phase: Failed, conditions: [{type: DisruptionTarget, status: "True", reason: DeletionByPodGC, message: "PodGC: node no longer exists"}]}`, code: brigade.CodeJobLost, says: "its node is gone"},
		"status unknown":   {node: "n", status: strings.Replace(ended, "reason: Error", "reason: ContainerStatusUnknown", 1) + `}`, code: brigade.CodeJobLost, says: "does not know"},
		"node is full":     {node: "n", status: `{phase: Failed, reason: OutOfcpu, message: "Pod was rejected: Node didn't have enough resource: cpu"}`, code: brigade.CodeJobStart, says: "enough resource: cpu"},
		"no shell":         {node: "n", status: `{phase: Failed, containerStatuses: [{name: brigaderun, state: {terminated: {exitCode: 128, reason: StartError, message: "exec: \"/bin/bash\": stat /bin/bash: no such file or directory"}}}]}`, code: brigade.CodeJobStart, says: "/bin/bash: no such file"},
		"no image":         {node: "n", status: `{phase: Pending, containerStatuses: [{name: brigaderun, image: i, state: {waiting: {reason: ErrImagePull, message: "rpc error: code = NotFound desc = failed to pull: not found"}}}]}`, code: brigade.CodeImagePull, says: "not found"},
		"image is refused": {node: "n", status: `{phase: Pending, containerStatuses: [{name: brigaderun, image: i, state: {waiting: {reason: InvalidImageName, message: "couldn't parse image name"}}}]}`, code: brigade.CodeImagePull, says: "parse"},
		"sidecar's image":  {node: "n", status: `{phase: Pending, initContainerStatuses: [{name: vcs-sidecar, image: git, state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling image \"git\": ErrImagePull: denied"}}}]}`, code: brigade.CodeImagePull, says: "image git"},
		"no key":           {node: "n", status: `{phase: Pending, containerStatuses: [{name: brigaderun, state: {waiting: {reason: CreateContainerConfigError, message: "couldn't find key k in Secret ns/s"}}}]}`, code: brigade.CodeJobStart, says: "couldn't find key k"},
		"no files":         {node: "n", status: `{phase: Failed, initContainerStatuses: [{name: vcs-sidecar, state: {terminated: {exitCode: 128, reason: Error, message: "no such ref"}}}]}`, code: brigade.CodeSource, says: "exit code 128: no such ref"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "test-1"}, Spec: corev1.PodSpec{NodeName: c.node}}
			if err := yaml.UnmarshalStrict([]byte(c.status), &pod.Status); err != nil {
				t.Fatal(err)
			}
			if c.deleted != 0 {
				grace := int64(30)
				asked := time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC).Add(c.deleted)
				pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: asked.Add(30 * time.Second)}, &grace
			}
			got := read(trim(pod), "test")
			if brigade.CodeOf(got.err) != c.code || c.code != "" && !strings.Contains(got.err.Error(), c.says) {
				t.Errorf("error %v, want code %q that says %q", got.err, c.code, c.says)
			}
			if c.want != nil && !c.want(got) {
				t.Errorf("it reads %+v", got)
			}
		})
	}
}

// TestPassing tells pulls that may succeed a moment later from those that will
// not.
func TestPassing(t *testing.T) {
	for message, want := range map[string]bool{
		"pull QPS exceeded": true,
		`failed to do request: Head "https://registry/v2/": dial tcp 10.0.0.1:443: i/o timeout`:         true,
		`unexpected status from HEAD request to https://registry/v2/x: 503 Service Unavailable`:         true,
		`failed to resolve reference "docker.io/nobody/nothing:1": pull access denied`:                  false,
		`docker.io/library/alpine:nope: not found`:                                                      false,
		`Container image "x" is not present with pull policy of Never`:                                  false,
		`failed to resolve reference "docker.io/nobody/nothing:1": unexpected status: 401 Unauthorized`: false,
	} {
		if got := passing(message); got != want {
			t.Errorf("%q passes: %v, want %v", message, got, want)
		}
	}
}
