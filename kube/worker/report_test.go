package worker_test

import (
	"encoding/json"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/worker"
)

// say writes on a pod what a worker writes that has ended.
func (w *world) say(pod string, result brigade.ScriptResult, lines int) {
	w.t.Helper()
	text, err := json.Marshal(map[string]any{"result": json.RawMessage(worker.EncodeResult(result)), "lines": lines})
	must(w.t, err)
	w.c.Kubectl(w.t, "-n", w.client.Namespace, "annotate", "pod", pod, "brigade.sh/worker-result="+string(text))
}

// A worker that says itself how its script ended need not wait for its node to
// say that its container has.
func TestWorkersSayThemselvesHowTheyEnded(t *testing.T) {
	for name, c := range map[string]struct {
		result brigade.ScriptResult
		code   brigade.Code
	}{
		"well":    {result: brigade.ScriptResult{Handled: true, Handlers: []string{"exec"}}},
		"badly":   {result: brigade.ScriptResult{Handled: true, ExitCode: 3}, code: brigade.CodeBuildFailed},
		"telling": {result: brigade.ScriptResult{ExitCode: 1, Failure: brigade.Errorf(brigade.CodeJobTimeout, "too slow")}, code: brigade.CodeJobTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fate(testcluster.Fate{Nap: testcluster.Forever, Log: "one\ntwo\n"}))
			over := w.start(t.Context())
			w.say(w.running(nil).Name, c.result, 2)
			o := w.wait(over)
			code := brigade.Code("")
			if o.result.Failure != nil {
				code = o.result.Failure.Code
			}
			if o.err != nil || code != c.code || o.result.ExitCode != c.result.ExitCode || len(o.result.Handlers) != len(c.result.Handlers) {
				t.Errorf("result = %+v, %v", o.result, o.err)
			}
			if said := w.said(); said != "one\ntwo" {
				t.Errorf("log = %q", said)
			}
		})
	}
}

// Nonsense is nobody's result, and neither is what a worker says whose pod is
// being taken away.
func TestWorkersThatSayNonsense(t *testing.T) {
	w := newWorld(t, fate(testcluster.Fate{Nap: testcluster.Forever}))
	over := w.start(t.Context())
	pod := w.running(nil)
	for _, text := range []string{"{", "null", `{"result":{"state":"well"},"lines":1}`} {
		w.c.Kubectl(t, "-n", w.client.Namespace, "annotate", "--overwrite", "pod", pod.Name, "brigade.sh/worker-result="+text)
	}
	w.c.Kubectl(t, "-n", w.client.Namespace, "delete", "pod", pod.Name, "--wait=false", "--grace-period=1")
	if o := w.wait(over); brigade.CodeOf(o.err) != brigade.CodeScriptCrashed {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
}
