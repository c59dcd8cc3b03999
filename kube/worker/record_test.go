package worker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
)

// jobPod makes a pod as v1's worker makes it for a job.
func (w *world) jobPod(name string, annotations string) {
	w.t.Helper()
	w.c.Apply(w.t, w.client.Namespace, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s-%s","labels":{"heritage":"brigade","component":"job","jobname":"%s","build":"%s"},
"annotations":{%s}},"spec":{"restartPolicy":"Never","containers":[{"name":"brigaderun","image":"busybox"}]}}`, name, build, name, build, annotations))
}

// What a worker's jobs are and print is written down, once, also when the pods
// were made by v1's worker and the controller restarts in between.
func TestJobsOfWorkersAreKept(t *testing.T) {
	w := newWorld(t, func(pod *corev1.Pod) testcluster.Fate {
		f := testcluster.FateOf(pod)
		if strings.HasPrefix(pod.Name, "brigade-worker-") {
			f.Nap = testcluster.Forever
		}
		return f
	})
	w.project.Secrets = map[string]any{"password": "hunter2-hunter2"}
	over := w.start(t.Context())
	pod := w.running(nil)
	w.jobPod("good", `"fake.brigade.sh/log":"one\nthe hunter2-hunter2 is\n"`)
	w.jobPod("bad", `"fake.brigade.sh/exit":"3"`)
	w.jobPod("late", `"fake.brigade.sh/nap":"forever"`)
	job := func(name string, state brigade.State) *brigade.Job {
		t.Helper()
		var j *brigade.Job
		testcluster.Until(t, name+" is "+string(state), func() error {
			var err error
			if j, err = w.store.Job(t.Context(), name+"-"+build); err != nil {
				return err
			}
			if j.State != state {
				return errors.New(string(j.State))
			}
			return nil
		})
		return j
	}
	log := func() string {
		lines, err := w.store.ReadLog(t.Context(), brigade.LogQuery{BuildID: build, JobID: "good-" + build})
		must(t, err)
		var text []string
		for _, l := range lines {
			text = append(text, l.Text)
		}
		return strings.Join(text, "|")
	}
	if j := job("good", brigade.StateSucceeded); j.Spec.Image != "busybox" || j.Name != "good" || len(j.Artifacts) != 1 || j.Artifacts[0].Name != "of good" {
		t.Errorf("job = %+v", j)
	}
	if j := job("bad", brigade.StateFailed); j.ExitCode != 3 || j.Failure == nil {
		t.Errorf("job = %+v", j)
	}
	job("late", brigade.StateRunning)
	testcluster.Until(t, "the log is kept, without secrets", func() error {
		if got := log(); !strings.HasPrefix(got, "one|the ") || strings.Contains(got, "hunter2") || strings.Count(got, "|") != 1 {
			return errors.New(got)
		}
		return nil
	})
	w.c.Kubectl(t, "-n", w.client.Namespace, "delete", "pod", pod.Name, "--wait=false", "--grace-period=1")
	if o := w.wait(over); brigade.CodeOf(o.err) != brigade.CodeScriptCrashed {
		t.Fatalf("result = %+v, %v", o.result, o.err)
	}
	again := w.start(t.Context()) // the next worker
	w.running(pod)
	before := log()
	close(w.abort)
	w.wait(again)
	if j := job("late", brigade.StateCanceled); j.Failure == nil {
		t.Errorf("job = %+v", j)
	}
	if now := log(); now != before {
		t.Errorf("log = %q, before %q", now, before)
	}
}
