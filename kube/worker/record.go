package worker

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// hub is one watch of job pods, shared by all builds of a namespace.
type hub struct {
	view *cluster.View[*corev1.Pod]

	mu     sync.Mutex
	builds map[string]*recorder // by build ID
}

// hub returns that of a namespace, and begins it at first.
func (w *Worker) hub(ns string) *hub {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hubs[ns]; h != nil {
		return h
	}
	h := &hub{builds: map[string]*recorder{}}
	w.hubs[ns] = h
	h.view = cluster.Watch(w.live, w.opt.Client.Pods(ns), cluster.ViewOptions[*corev1.Pod]{
		LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," + objects.LabelComponent + "=" + objects.ComponentJob,
		Transform:     slim, Log: w.opt.Log,
	})
	w.turns.watch(h.view)
	h.view.Subscribe(func(e cluster.Event[*corev1.Pod]) {
		pod := e.Object()
		id, ok := objects.BuildID(pod.Labels[objects.LabelBuild])
		if !ok {
			return
		}
		h.mu.Lock()
		r := h.builds[id]
		h.mu.Unlock()
		if r != nil {
			r.see(pod, e.Type == cluster.Deleted)
		}
	})
	return h
}

// recorder writes down what the worker of one build does: its jobs, and what
// they print. The pods are the truth, it only follows.
type recorder struct {
	w    *Worker
	hub  *hub
	run  brigade.ScriptRun
	ns   string
	mask *mask.Masker
	ctx  context.Context //nolint:containedctx // of the copies of logs
	stop context.CancelFunc
	logs sync.WaitGroup

	news  chan struct{} // something was seen
	mu    sync.Mutex
	jobs  map[string]*recorded // by pod
	ended bool
}

// recorded is what is known of one job.
type recorded struct {
	job     brigade.Job
	uid     types.UID // of its pod: another attempt has another one
	copying bool
	copied  chan struct{} // closed when the log of the attempt before is kept
	over    bool          // its container has ended
	told    bool          // its pod says what its worker knows of its end
	changed chan struct{}
}

// recordJobs begins to follow the jobs of a build. nil, and what is called on
// it, does nothing: nobody wants the records.
func (w *Worker) recordJobs(ctx context.Context, run brigade.ScriptRun) *recorder {
	if w.opt.Jobs == nil {
		return nil
	}
	ns := run.Project.Kubernetes.Namespace
	r := &recorder{
		w: w, run: run, ns: ns, hub: w.hub(ns), jobs: map[string]*recorded{}, news: make(chan struct{}, 1),
		mask: mask.New(append(run.Project.SecretValues(), mask.PayloadSecrets(run.Build.Event.Payload)...)),
	}
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.hub.mu.Lock()
	r.hub.builds[run.Build.ID] = r
	r.hub.mu.Unlock()
	for _, pod := range r.hub.view.List() {
		if id, ok := objects.BuildID(pod.Labels[objects.LabelBuild]); ok && id == run.Build.ID {
			r.see(pod, false)
		}
	}
	return r
}

// see writes down what has changed about a job.
func (r *recorder) see(pod *corev1.Pod, deleted bool) {
	job, ok := objects.ReadJob(pod)
	if !ok {
		return
	}
	if r.w.opt.Complete != nil && job.State.Ended() {
		r.w.opt.Complete(job)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	if deleted && !job.State.Ended() {
		return // another pod of its name may come: the worker knows
	}
	known := r.jobs[pod.Name]
	if known == nil || known.uid != pod.UID {
		next := &recorded{uid: pod.UID, changed: make(chan struct{}, 1)}
		if known != nil {
			next.job.History, next.copied = known.job.History, known.copied
		}
		known = next
		r.jobs[pod.Name] = known
	}
	known.over = job.State.Ended()
	known.told = pod.Annotations[objects.AnnotationRunner] != objects.RunnerWorker || objects.HasResult(pod)
	select {
	case known.changed <- struct{}{}:
	default:
	}
	if known.job.ID == "" || different(&known.job, job) {
		job.History = known.job.History
		if n := len(job.History); n == 0 || job.History[n-1].State != job.State {
			job.History = append(job.History[:n:n], brigade.Step{State: job.State, Time: r.w.opt.Now()})
		}
		known.job = *job
		r.put(*job)
	}
	if r.w.opt.KeepLogs && !known.copying && (job.State == brigade.StateRunning || job.State.Ended()) && !deleted {
		known.copying = true
		before := known.copied
		known.copied = make(chan struct{})
		from := job.LogFrom
		r.logs.Go(func() {
			defer close(known.copied)
			if before != nil {
				<-before
			}
			r.copyLog(pod.Namespace, pod.Name, known, from)
		})
	}
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// different reports whether there is something to write down.
func different(a, b *brigade.Job) bool {
	return a.State != b.State || a.Attempt != b.Attempt || !a.Started.Equal(b.Started) || !a.Ended.Equal(b.Ended) ||
		a.ExitCode != b.ExitCode || len(a.Outputs) != len(b.Outputs) || a.LogFrom != b.LogFrom || len(a.Artifacts) != len(b.Artifacts)
}

func (r *recorder) put(job brigade.Job) {
	if err := r.w.opt.Jobs.PutJob(context.WithoutCancel(r.ctx), &job); err != nil {
		r.w.opt.Log.Warn("write down a job of a worker", "job", job.ID, "err", err)
		return
	}
	r.tell(brigade.Change{Job: &job, JobID: job.ID})
}

func (r *recorder) tell(c brigade.Change) {
	if r.w.opt.Feed == nil {
		return
	}
	c.Time, c.BuildID = r.w.opt.Now(), r.run.Build.ID
	r.w.opt.Feed.Publish(c)
}

// copyLog keeps what a job prints. A line's number follows from its place in
// the pod's log and from what attempts before printed, so that one that is
// there already, from before a restart, is not kept twice.
func (r *recorder) copyLog(ns, pod string, job *recorded, from int64) {
	seq := from
	left := int64(brigade.DefaultLogCap)
	t := &tail{
		client: r.w.opt.Client, ns: ns, pod: pod, name: objects.ContainerJob, changed: job.changed,
		ended: func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return job.over
		},
	}
	var lines []brigade.LogLine
	if from > 0 {
		lines = append(lines, brigade.LogLine{
			BuildID: r.run.Build.ID, JobID: pod, Seq: from, Time: r.w.opt.Now(), Level: brigade.LevelInfo, Text: "— another attempt —",
		})
	}
	flush := func() {
		if len(lines) == 0 {
			return
		}
		if err := r.w.opt.Jobs.AppendLog(context.WithoutCancel(r.ctx), lines); err != nil {
			r.w.opt.Log.Warn("keep the log of a job", "job", pod, "err", err)
		}
		r.tell(brigade.Change{JobID: pod, Lines: lines})
		lines = nil
	}
	t.emit = func(text string) {
		if left -= int64(len(text)) + 1; left < 0 {
			return
		}
		seq++
		lines = append(lines, brigade.LogLine{BuildID: r.run.Build.ID, JobID: pod, Seq: seq, Time: r.w.opt.Now(), Text: r.mask.String(text)})
	}
	t.flush = flush
	t.copy(r.ctx)
	flush()
}

// How long an ended build's jobs are waited for.
const (
	resultPatience = 5 * time.Second
	abortPatience  = time.Second
)

// end writes down the rest once the worker has ended. Jobs that it left
// running end with the build.
func (r *recorder) end(aborted bool) {
	if r == nil {
		return
	}
	state, why, patience := brigade.StateFailed, brigade.Errorf(brigade.CodeJobLost, "its worker ended before it"), resultPatience
	if aborted {
		state, why, patience = brigade.StateCanceled, brigade.Errorf(brigade.CodeCanceled, "the build was canceled"), abortPatience
	}
	rest := time.AfterFunc(patience, r.stop)
	defer rest.Stop()
	r.await()
	r.mu.Lock()
	r.ended = true
	for _, known := range r.jobs {
		if known.job.State.Ended() || known.job.ID == "" {
			continue
		}
		known.job.State, known.job.Failure, known.job.Ended = state, why, r.w.opt.Now()
		known.job.History = append(known.job.History, brigade.Step{State: state, Time: known.job.Ended})
		r.put(known.job)
	}
	r.mu.Unlock()
	r.leave()
}

// await waits until every job has ended and its log is kept, or patience ends.
func (r *recorder) await() {
	for !r.allOver() {
		select {
		case <-r.ctx.Done():
			return
		case <-r.news:
		}
	}
	r.logs.Wait()
}

func (r *recorder) allOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.jobs {
		if !known.job.State.Ended() || !known.told {
			return false
		}
	}
	return true
}

// leave ends the following and leaves the records as they are.
func (r *recorder) leave() {
	if r == nil {
		return
	}
	r.hub.mu.Lock()
	delete(r.hub.builds, r.run.Build.ID)
	r.hub.mu.Unlock()
	r.stop()
	r.logs.Wait()
}
