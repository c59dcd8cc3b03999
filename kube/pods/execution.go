package pods

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/deadline"
)

// execution is a pod whose job was started.
type execution struct {
	r    *Runner
	hub  *hub
	run  brigade.JobRun
	pod  *corev1.Pod // as it was made or found; its state is in box
	box  *mailbox
	want Want

	done chan struct{} // closed when exit and err are set
	exit brigade.Exit
	err  error

	stop deadline.Deadline // when the job is killed
}

// Handle returns namespace/name/uid/attempt.
func (x *execution) Handle() string {
	return fmt.Sprintf("%s/%s/%s/%d", x.pod.Namespace, x.pod.Name, x.pod.UID, attemptOf(x.pod))
}

// Wait implements brigade.Execution.
func (x *execution) Wait(ctx context.Context) (brigade.Exit, error) {
	select {
	case <-x.done:
		return x.exit, x.err
	case <-ctx.Done():
	}
	select {
	case <-x.done:
		return x.exit, x.err
	default:
		return brigade.Exit{}, context.Cause(ctx)
	}
}

// watch takes the job to its end. It runs once, in a goroutine of its own.
func (x *execution) watch() {
	defer x.hub.close(x.pod.Name, x.box)
	pod, _ := x.box.get()
	log := x.follow(read(pod, x.run.Job.Name).ended)
	got, leaving := x.await()
	log.finish(leaving)
	x.exit, x.err = got.exit, got.err
	if x.err == nil {
		x.exit.Outputs = x.outputs(got.outputs)
		x.collect()
	}
	close(x.done)
}

// nodeAnswers is how long a node may take beyond the grace time of a pod that
// was deleted before it counts as lost.
const nodeAnswers = 2 * time.Minute

// await waits until the job has ended, or is lost. leaving says that the pod is
// being deleted, or is gone.
func (x *execution) await() (got reading, leaving bool) {
	name := x.run.Job.Name
	for {
		pod, gone := x.box.get()
		got = read(pod, name)
		leaving = gone || pod.DeletionTimestamp != nil
		late := leaving && !gone && x.r.opt.Now().After(pod.DeletionTimestamp.Add(nodeAnswers))
		switch {
		case got.ended && x.stop.Passing():
			return x.stoppedAs(got), leaving
		case got.ended:
			return got, leaving
		case (gone || late) && x.stop.Passing():
			return x.stoppedAs(got), leaving
		case gone:
			got.err = lostErr(name, or(disruption(pod), "somebody has deleted its pod"))
			return got, leaving
		case late:
			got.err = lostErr(name, or(disruption(pod), "its pod was deleted, and its node does not answer"))
			return got, leaving
		}
		var overdue <-chan time.Time
		if leaving {
			timer := time.NewTimer(pod.DeletionTimestamp.Add(nodeAnswers).Sub(x.r.opt.Now()) + time.Second)
			defer timer.Stop() // a pod is deleted once
			overdue = timer.C
		}
		if text := x.box.takeWarning(); text != "" {
			x.say(oneLine(text))
		}
		select {
		case <-x.box.changed:
		case <-overdue:
		}
	}
}

// stoppedAs is the end of a job that was stopped: as its container says, and
// else as one that was killed.
func (x *execution) stoppedAs(got reading) reading {
	if got.exit.Ended.IsZero() {
		got.exit.Code, got.exit.Ended = killedCode, x.r.opt.Now()
		if got.exit.Started.IsZero() {
			got.exit.Started = got.exit.Ended
		}
	}
	if got.exit.Code != 0 && got.exit.Reason != "out of memory" {
		got.exit.Reason = ""
	}
	got.err = nil
	return got
}

// killedCode is the exit code of a process that was ended by SIGKILL.
const killedCode = 128 + 9

// outputs are what the job wrote to $BRIGADE_OUTPUT. The cluster keeps the last
// 4096 bytes: a longer text makes no sense any more.
func (x *execution) outputs(message []byte) []byte {
	switch {
	case len(message) == 0:
		return nil
	case len(message) >= maxTermination:
		x.problem(fmt.Sprintf("outputs: they are longer than the %d bytes that a cluster keeps, and are dropped; write less to $%s, or keep files with job.artifacts", maxTermination-1, outputVariable))
		return nil
	}
	return message
}

// collect gets home what the pod's sidecar has brought to the workspace. What
// later jobs miss then makes the job fail, should it not have failed already.
func (x *execution) collect() {
	if len(x.run.Job.Spec.Artifacts) > 0 && x.r.opt.Workspace == nil && x.r.keeps(x.run) {
		x.problem("artifacts: this installation has no workspace server to keep them")
	}
	if x.pod.Annotations[annotationCollect] == "" || x.r.opt.Workspace == nil {
		return
	}
	if !x.awaitSidecar() {
		x.problem("files: the pod was gone before all of them were brought home")
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	got, err := x.r.opt.Workspace.Collect(ctx, x.run, x.want)
	if x.want.Outputs {
		x.exit.Outputs = got.Outputs
	}
	x.exit.Artifacts = got.Artifacts
	for _, p := range got.Problems {
		x.problem(p)
	}
	if err == nil {
		err = got.Failure
	}
	if err == nil {
		return
	}
	x.problem("files: " + err.Error())
	if x.exit.Code == 0 {
		x.err = filesErr(x.run.Job.Name, err)
	}
}

// filesErr is the failure of a job whose container has done its work, and whose
// files did not come home.
func filesErr(job string, err error) error {
	failure := brigade.Errorf(brigade.CodeOf(err), "job %q: %w", job, err)
	var known *brigade.Error
	if errors.As(err, &known) {
		failure.Hint = known.Hint
	}
	return failure
}

// collectTimeout bounds how long the files of one job may take.
const collectTimeout = 30 * time.Minute

// awaitSidecar waits until the whole pod has ended. It is false when that
// cannot be told any more.
func (x *execution) awaitSidecar() bool {
	limit := deadlineMargin
	if grace := x.pod.Spec.TerminationGracePeriodSeconds; grace != nil {
		limit += time.Duration(*grace) * time.Second
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		pod, gone := x.box.get()
		sidecar := statusOf(pod.Status.InitContainerStatuses, x.pod.Annotations[annotationCollect])
		if read(pod, "").over || sidecar != nil && sidecar.State.Terminated != nil {
			return true
		}
		if gone {
			return false
		}
		select {
		case <-x.box.changed:
		case <-timer.C:
			return false
		}
	}
}

// problem puts a line into the job's log.
func (x *execution) problem(text string) {
	_, _ = fmt.Fprintf(x.run.Log, "%s\n", text) // never fails
}

// say tells people something about the running job.
func (x *execution) say(text string) { x.r.tell(x.run, brigade.StateRunning, text) }

// node is where the pod runs.
func (x *execution) node() string {
	pod, _ := x.box.get()
	return pod.Spec.NodeName
}

// Stop asks the job to end, and ends it after grace. Of several calls the one
// with the earliest end counts.
//
// The pod is not deleted, as long as its node ends it in time: its deadline is
// moved into the past, which makes the node end it as failed, and its log stays
// to be read by everybody.
func (x *execution) Stop(_ context.Context, grace time.Duration) error {
	if x.stop.Set(grace) {
		go x.end(grace > 0)
	}
	return nil
}

// killSlack is what the node gets beyond the grace time to kill the job itself.
const killSlack = 5 * time.Second

// end sees to it that the job ends by the deadline.
func (x *execution) end(ask bool) {
	slack := time.Duration(0)
	if ask {
		slack = x.ask()
	}
	if !x.stop.Await(x.done, slack) {
		x.kill()
	}
}

// ask has the node end the pod, and returns how long it may take beyond the
// grace time: the pod's own may not be shorter.
func (x *execution) ask() time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := x.expire(ctx); err != nil {
		x.r.opt.Log.Warn("a job cannot be asked to end", "job", x.run.Job.ID, "error", err)
		return 0
	}
	own := x.pod.Spec.TerminationGracePeriodSeconds
	if own != nil && time.Duration(*own)*time.Second <= x.stop.Left()+time.Second {
		return killSlack
	}
	return 0
}

// expire moves the pod's deadline into the past.
func (x *execution) expire(ctx context.Context) error {
	patch := []byte(`{"metadata":{"uid":` + strconv.Quote(string(x.pod.UID)) + `},"spec":{"activeDeadlineSeconds":1}}`)
	_, err := x.r.opt.Cluster.Pods(x.pod.Namespace).Patch(ctx, x.pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// kill deletes the pod, and tries until the job has ended: a cluster that is
// busy or away must not let it live. A node that does not answer is given up.
func (x *execution) kill() {
	began, grace := time.Now(), int64(1)
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		err := x.r.delete(ctx, x.pod, grace)
		cancel()
		if err != nil {
			x.r.opt.Log.Warn("a job cannot be killed now", "job", x.run.Job.ID, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-x.done:
			timer.Stop()
			return
		case <-timer.C:
		}
		if time.Since(began) > goneAfter {
			grace = 0
		}
	}
}
