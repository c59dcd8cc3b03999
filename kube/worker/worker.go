// Package worker runs scripts in pods of their own, as Brigade v1 does: a
// build's worker is a pod with v1's name, labels, mounts and environment, so
// that images of people's own workers keep working. Worker is the brigade.Worker
// that makes such pods and follows them; Inside reads what such a pod finds,
// for the program when it is the worker.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Options are what a Worker works with. Client, Secret and Image are required.
type Options struct {
	Client *cluster.Client
	// Here runs the scripts of builds that get no pod. nil: every build gets one.
	Here brigade.Worker
	// All gives every build a pod, not only those of projects with a worker of
	// their own.
	All bool
	// Secret is the name of a build's Secret and its label "build", which the
	// worker has, too: see kube/store. Owner is the reference by which it is
	// deleted with the Secret; nil: it is not.
	Secret func(buildID string) (name, label string, ok bool)
	Owner  func(ctx context.Context, b *brigade.Build) (*metav1.OwnerReference, error)

	Image      string // of workers, where the project names none
	PullPolicy string // default IfNotPresent
	// Command is what such an image runs; nil: what it runs by itself.
	Command []string
	// Own says that the image is this program: its pods are restricted as far
	// as the Pod Security Standards go, and get Env.
	Own bool
	Env map[string]string
	// BuildEnv returns further variables for the pod of one build, where Own
	// says that the image is this program; nil: none.
	BuildEnv func(b *brigade.Build, p *brigade.Project) map[string]string
	// Sidecar is the image that fetches the files of projects that name none;
	// "": those get none, as in v1. SidecarCommand is what it runs.
	Sidecar        string
	SidecarCommand []string
	// KnownHosts are the SSH servers that it may clone from, as lines of a
	// known_hosts file, besides those of the project; "" is all, as in v1.
	KnownHosts string

	ServiceAccount         string // of workers; default brigade-worker
	JobServiceAccount      string // of jobs, where the project names none
	JobServiceAccountRegex string // of those that jobs may ask for
	BuildStorageClass      string // default storage class of what a build's jobs share
	CacheStorageClass      string // default storage class of jobs' caches
	Requests, Limits       brigade.Resources
	NodeSelector           map[string]string
	Tolerations            []corev1.Toleration

	// Occupy takes a place for a job of a worker among those that may run at
	// once, see dispatch.Dispatcher.Occupy. nil: there are as many as one likes.
	Occupy func(ctx context.Context, projectID string, runs bool) (release func(), err error)

	// Complete adds to the record of a job that has ended what its pod has no
	// room for; nil: nothing.
	Complete func(j *brigade.Job)

	// Jobs gets the records of the jobs that such workers run; nil: they are
	// not kept. With KeepLogs it gets what they print, too, so that it outlives
	// their pods; else that is read from the pods when somebody wants to see it.
	Jobs     Records
	KeepLogs bool
	Feed     brigade.Feed  // is told of them; may be nil
	Grace    time.Duration // that a worker has to end; default 10 s
	Now      func() time.Time
	Log      *slog.Logger
}

// Records is where it is written down what workers do.
type Records interface {
	brigade.Builds
	brigade.Jobs
	brigade.Logs
}

// Margins of time.
const (
	stopMargin     = 5 * time.Second  // on top of the grace time, before a pod is killed
	deadlineMargin = time.Minute      // on top of the build's time limit, for a worker nobody watches
	logPatience    = 10 * time.Second // for the rest of an ended worker's log
	lostPatience   = 30 * time.Second // for the end of a pod that is being deleted, beyond its grace time
)

// Worker runs builds in worker pods. It is told of pods by one watch.
type Worker struct {
	opt   Options
	pods  *cluster.View[*corev1.Pod] // worker pods
	live  context.Context
	close context.CancelFunc

	mu    sync.Mutex
	waits map[string]map[chan struct{}]bool // who waits for a change of the pod of that name
	hubs  map[string]*hub                   // of job pods, by namespace
	turns *turnstile
}

var (
	_ brigade.Worker     = (*Worker)(nil)
	_ brigade.Autonomous = (*Worker)(nil)
)

// New starts to watch worker pods and returns once it knows those there are.
// Close ends the watch.
func New(ctx context.Context, opt Options) (*Worker, error) {
	if opt.Client == nil || opt.Secret == nil {
		return nil, errors.New("kube/worker: Client and Secret are required")
	}
	if opt.Grace <= 0 {
		opt.Grace = 10 * time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	w := &Worker{opt: opt, waits: map[string]map[chan struct{}]bool{}, hubs: map[string]*hub{}}
	w.live, w.close = context.WithCancel(context.WithoutCancel(ctx))
	w.turns = newTurnstile(w)
	w.pods = cluster.Watch(w.live, opt.Client.Pods(""), cluster.ViewOptions[*corev1.Pod]{
		LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," + objects.LabelComponent + "=" + objects.ComponentBuild,
		Transform:     slim, Log: opt.Log,
	})
	if err := w.pods.Synced(ctx); err != nil {
		w.close()
		return nil, fmt.Errorf("watch worker pods: %w", err)
	}
	w.pods.Subscribe(func(e cluster.Event[*corev1.Pod]) { w.changed(e.Object().Name) })
	return w, nil
}

// Close ends the watches. Pods are left alone.
func (w *Worker) Close() error {
	w.close()
	return nil
}

// Autonomous reports whether the build gets a pod: all do, or its project has
// a worker of its own, or it has a pod already, from before a restart.
func (w *Worker) Autonomous(b *brigade.Build, p *brigade.Project) bool {
	if w.opt.All || w.opt.Here == nil || p.Worker.Name != "" || p.WorkerCommand != "" {
		return true
	}
	name, _, known := w.opt.Secret(b.ID)
	if !known {
		return false
	}
	_, has := w.pods.Get(name)
	return has
}

// RunScript runs the build in its pod, or hands it to Options.Here.
func (w *Worker) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	if !w.Autonomous(run.Build, run.Project) {
		return w.opt.Here.RunScript(ctx, run, host)
	}
	f := &follower{w: w, run: run, host: host}
	return f.follow(ctx)
}

func (w *Worker) serviceAccount() string {
	if w.opt.ServiceAccount != "" {
		return w.opt.ServiceAccount
	}
	return "brigade-worker"
}

// changed wakes who waits for that pod.
func (w *Worker) changed(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wake := range w.waits[name] {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// changes returns a channel that is told of changes of the pod, until stop.
func (w *Worker) changes(name string) (wake chan struct{}, stop func()) {
	wake = make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits[name] == nil {
		w.waits[name] = map[chan struct{}]bool{}
	}
	w.waits[name][wake] = true
	return wake, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.waits[name], wake); len(w.waits[name]) == 0 {
			delete(w.waits, name)
		}
	}
}

// slim drops what is not looked at, so that thousands of pods fit.
func slim(p *corev1.Pod) *corev1.Pod {
	containers := make([]corev1.Container, 0, len(p.Spec.Containers))
	for _, c := range p.Spec.Containers {
		containers = append(containers, corev1.Container{Name: c.Name, Image: c.Image})
	}
	p.Spec = corev1.PodSpec{NodeName: p.Spec.NodeName, Containers: containers, SchedulingGates: p.Spec.SchedulingGates}
	return p
}
