package kubefault

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/fault"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// check holds what the Secrets say against what the node has run.
func (t *test) check(ctx context.Context) error {
	all := t.record.all()
	for _, b := range t.builds {
		t.checkBuild(b, all)
	}
	for name, runs := range all {
		t.checkRuns(name, runs)
	}
	return t.checkLeft(ctx)
}

// checkBuild: it has succeeded, and all its jobs with it.
func (t *test) checkBuild(b string, all map[string][]run) {
	status, ok := t.site.Status(b)
	t.count("builds", 1)
	t.count("  "+string(status.State), 1)
	if status.Attempt > 1 {
		t.count("  attempts beyond the first", status.Attempt-1)
	}
	if !ok || !status.State.Ended() {
		return // it is stuck, which has been told
	}
	if status.State != brigade.StateSucceeded {
		t.problem("build %s is %s: %v; its pods: %s", b, status.State, status.Failure, t.record.about(b))
		return
	}
	if t.inPod[b] {
		return // its pod decides, and knows no jobs
	}
	for _, job := range jobNames {
		name := objects.JobName(job, b)
		succeeded := false
		for _, r := range all[name] {
			succeeded = succeeded || r.phase == corev1.PodSucceeded
		}
		if !succeeded {
			t.problem("build %s succeeded, but its job %s did not: %s", b, job, t.record.about(b))
		}
	}
}

// checkRuns: what had succeeded did not run again. A pod that was already being
// deleted when it succeeded may be gone before anybody has seen that.
func (t *test) checkRuns(name string, runs []run) {
	kind := map[string]string{objects.ComponentJob: "job", objects.ComponentBuild: "worker"}[runs[0].component]
	if kind == "" {
		return
	}
	t.count(kind+" pods", 1)
	t.count("  runs of "+kind+"s", len(runs))
	if len(runs) > 1 {
		t.count("  "+kind+"s cut short and run again", len(runs)-1)
	}
	if cut := len(runs) - 1; cut > t.deleted[name] {
		t.problem("%s ran %d times, and was deleted %d times: %s", name, len(runs), t.deleted[name], t.record.about(runs[0].build))
	}
	for i, r := range runs[:len(runs)-1] {
		if r.phase == corev1.PodSucceeded && !r.deleting && runs[i+1].began {
			t.problem("%s had succeeded and ran again: %s", name, t.record.about(r.build))
		}
	}
}

// checkLeft waits until nothing is left that runs or holds room.
func (t *test) checkLeft(ctx context.Context) error {
	deadline := time.Now().Add(t.opt.Stuck)
	for {
		left, err := t.left(ctx)
		if err == nil && len(left) == 0 {
			t.count("pods that run and volumes that are left", 0)
			return nil
		}
		if time.Now().After(deadline) {
			t.count("pods that run and volumes that are left", len(left))
			for _, what := range left {
				t.problem("left behind: %s", what)
			}
			return err
		}
		if t.pause(ctx, 200*time.Millisecond); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (t *test) report() *fault.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &fault.Report{Problems: t.problems}
	for _, name := range t.order {
		r.Lines = append(r.Lines, fault.Line{Name: name, Count: t.counts[name]})
	}
	return r
}

// count adds to a line of the report; the first use of a name gives its place.
func (t *test) count(name string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.counts[name]; !known {
		t.order = append(t.order, name)
	}
	t.counts[name] += n
}

func (t *test) problem(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = append(t.problems, fmt.Sprintf(format, args...))
}
