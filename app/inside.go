package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/kube/worker"
	"github.com/brigadecore/brigade/v3/script"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/workspace"
)

// InsideOptions say what the worker of one build works with, in a pod of its own.
type InsideOptions struct {
	Getenv  func(string) string
	Environ []string
	Root    string // before v1's paths; "" in a pod
	Pod     string // the pod's name
	Temp    string // a directory to install dependencies into
	// Kubeconfig says where the cluster is; "": the pod's service account.
	Kubeconfig string
	Message    string // the file for the result; "" for none
	Version    string
	Stdout     io.Writer
	// Printed is how many lines the process has printed, wherever to: see
	// CountLines. nil: the pod's end tells how the build ended, and nothing before.
	Printed func() int64
	Grace   time.Duration
	// Stop is told that the pod ends.
	Stop  <-chan os.Signal
	Stuck func() // ends a process whose script cannot be interrupted
	Now   func() time.Time
	Log   *slog.Logger
}

// JobOptionsEnv is the variable in which a controller tells its worker pods
// how jobs run: JobPods as JSON.
const JobOptionsEnv = "BRIGADE_JOB_OPTIONS"

// IsWorkerPod reports whether the program was started as the worker of a build.
func IsWorkerPod(getenv func(string) string) bool { return worker.Recognised(getenv, "") }

// inside is the worker of one build.
type inside struct {
	opt        InsideOptions
	at         *worker.Inside
	client     *cluster.Client
	store      *resultStore
	dispatcher *dispatch.Dispatcher
	out        *v1Log
	result     resultKeeper
}

// RunInside runs the script of the build whose worker pod this is, and its jobs,
// and returns the exit code: 0 when the build succeeded, and
// worker.ExitHandedOver when the pod has to end before the build.
func RunInside(ctx context.Context, opt InsideOptions) (int, error) {
	w := &inside{opt: opt}
	if err := w.enter(ctx); err != nil {
		return 0, err
	}
	runner, err := w.runner()
	if err != nil {
		return 0, err
	}
	defer runner.Close()
	if err := w.prepare(ctx, runner); err != nil {
		return 0, err
	}
	over := make(chan struct{})
	defer close(over)
	go w.obey(ctx, over)
	build, err := w.dispatcher.RunBuild(ctx, w.at.Build.ID, w.at.Project)
	w.store.settle()
	if err != nil {
		return 0, err
	}
	return w.conclude(ctx, build), nil
}

func (w *inside) enter(ctx context.Context) (err error) {
	if w.client, err = cluster.Open(cluster.Options{Kubeconfig: w.opt.Kubeconfig, UserAgent: "brigade-worker/" + w.opt.Version, Log: w.opt.Log}); err != nil {
		return err
	}
	w.at, err = worker.Enter(ctx, worker.InsideOptions{Getenv: w.opt.Getenv, Root: w.opt.Root, Pod: w.opt.Pod, Client: w.client})
	if err != nil {
		return err
	}
	w.out = &v1Log{to: w.opt.Stdout, level: w.at.Build.Event.LogLevel, ns: w.at.Project.Kubernetes.Namespace}
	w.out.say(brigade.LevelLog, "[brigade] brigade-worker version: "+w.opt.Version)
	for _, warning := range w.at.Warnings {
		w.out.say(brigade.LevelWarn, "[brigade] "+warning)
	}
	return nil
}

func (w *inside) runner() (*pods.Runner, error) {
	var jobs JobPods
	if text := w.opt.Getenv(JobOptionsEnv); text != "" {
		if err := json.Unmarshal([]byte(text), &jobs); err != nil {
			return nil, fmt.Errorf("read %s: %w", JobOptionsEnv, err)
		}
	}
	opt := jobs.options(w.client)
	opt.Namespace = w.at.Project.Kubernetes.Namespace
	opt.ServiceAccount = w.opt.Getenv("BRIGADE_SERVICE_ACCOUNT")
	opt.ServiceAccounts = w.opt.Getenv("BRIGADE_SERVICE_ACCOUNT_REGEX")
	opt.RunBy, opt.Grace, opt.Now, opt.Log = objects.RunnerWorker, w.opt.Grace, w.opt.Now, w.opt.Log
	opt.Builds = []string{w.at.Build.ID}
	if opt.Namespace == w.client.Namespace {
		opt.Owner = w.at.OwnerOf
	}
	files, err := remoteFiles(w.opt.Getenv)
	if err != nil {
		return nil, err
	}
	opt.Workspace, opt.RemoteArtifacts, opt.Turns = files, true, jobLimit(w.opt.Getenv) > 0
	return pods.New(opt)
}

// prepare makes the dispatcher of this one build.
func (w *inside) prepare(ctx context.Context, runner *pods.Runner) error {
	w.store = &resultStore{Store: memory.New(memory.Options{}), client: w.client, ns: w.at.Project.Kubernetes.Namespace, log: w.opt.Log}
	if err := w.seed(ctx); err != nil {
		return err
	}
	cache := filepath.Join(w.opt.Temp, "brigade")
	dirs := Dirs{State: cache, Cache: cache, Home: w.opt.Temp}
	var err error
	w.dispatcher, err = dispatch.New(dispatch.Options{
		Store: w.store, Feed: feed.New(feed.Options{Sinks: []brigade.Watcher{w.out.watch}}),
		Worker: &keepsResult{Worker: script.New(script.Options{Now: w.opt.Now, Stuck: w.opt.Stuck}), keep: &w.result},
		Runner: runner, Source: fixedTree(w.at.Dir), Deps: &dependencies{opt: Options{Dirs: dirs, Environ: w.opt.Environ}, strangers: true},
		Owner: w.opt.Pod, Lease: time.Hour, Grace: w.opt.Grace, MaxJobs: jobLimit(w.opt.Getenv), Env: w.env(), Now: w.opt.Now, Log: w.opt.Log,
	})
	return err
}

// seed writes down what is known of the build, so that jobs which an earlier
// worker started are met again.
func (w *inside) seed(ctx context.Context) error {
	b := *w.at.Build
	b.State, b.Attempt = brigade.StatePending, 0
	if err := w.store.PutProject(ctx, w.at.Project); err != nil {
		return err
	}
	if len(w.at.Jobs) > 0 {
		b.State, b.Attempt = brigade.StateRunning, 1
	}
	if _, err := w.store.CreateBuild(ctx, &b); err != nil {
		return err
	}
	if b.RerunOf != "" {
		old := brigade.Build{ID: b.RerunOf, ProjectID: b.ProjectID, Project: b.Project, State: brigade.StateSucceeded, Created: b.Created, Ended: b.Created}
		if _, err := w.store.CreateBuild(ctx, &old); err != nil {
			return err
		}
	}
	_, err := w.at.Restore(ctx, w.store.Store)
	return err
}

// ownEnv are variables between the controller and the worker, not for scripts.
var ownEnv = []string{JobOptionsEnv, JobLimitEnv, workspace.URLEnv, workspace.TokenEnv, workspace.CAEnv}

// env is what of the pod's environment a script sees besides what every script
// does: v1's variables.
func (w *inside) env() map[string]string {
	env := map[string]string{}
	for _, pair := range w.opt.Environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "BRIGADE_") && !slices.Contains(ownEnv, name) {
			env[name] = value
		}
	}
	return env
}

// obey ends the build when the pod is to end: for good when somebody wants the
// build to end, else so that another pod goes on with it.
func (w *inside) obey(ctx context.Context, over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-w.opt.Stop:
	}
	req := w.at.Canceled(ctx)
	if req == nil {
		w.dispatcher.HandOver()
		return
	}
	w.dispatcher.Cancel(w.at.Build.ID, *req)
}

// reportPatience is how long a worker that has ended tries to say so.
const reportPatience = 5 * time.Second

// conclude leaves the result for the controller.
func (w *inside) conclude(ctx context.Context, b *brigade.Build) int {
	if !b.State.Ended() {
		return worker.ExitHandedOver
	}
	result := w.result.get()
	result.ExitCode, result.Failure = b.ExitCode, b.Failure
	if b.State != brigade.StateSucceeded && result.ExitCode == 0 {
		result.ExitCode = brigade.ExitBuildFailed
	}
	if b.State == brigade.StateFailed && b.Failure != nil {
		w.out.say(brigade.LevelError, "[brigade] "+b.Failure.Message)
	}
	if w.opt.Message != "" {
		if err := os.WriteFile(w.opt.Message, worker.EncodeResult(result), 0o600); err != nil {
			w.opt.Log.Warn("leave the result", "err", err)
		}
	}
	if w.opt.Printed != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportPatience)
		defer cancel()
		// Nothing may be printed from here on. An error is none: see Report.
		_ = w.at.Report(ctx, result, w.opt.Printed())
	}
	return result.ExitCode
}

// fixedTree are files that are there already.
type fixedTree string

// Fetch implements dispatch.Source.
func (t fixedTree) Fetch(context.Context, *brigade.Project, *brigade.Build, func(string)) (dispatch.Tree, error) {
	return dispatch.Tree{Dir: string(t)}, nil
}

// resultKeeper remembers how the script ended, besides what a build holds of it.
type resultKeeper struct {
	mu     sync.Mutex
	result brigade.ScriptResult
}

func (k *resultKeeper) get() brigade.ScriptResult {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.result
}

// keepsResult is a worker whose results are remembered.
type keepsResult struct {
	brigade.Worker
	keep *resultKeeper
}

// RunScript implements brigade.Worker.
func (k *keepsResult) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	result, err := k.Worker.RunScript(ctx, run, host)
	k.keep.mu.Lock()
	k.keep.result = result
	k.keep.mu.Unlock()
	return result, err
}

// resultStore writes on every job's pod how it ended, so that a worker after
// this one knows.
type resultStore struct {
	brigade.Store
	client  *cluster.Client
	ns      string
	log     *slog.Logger
	pending sync.WaitGroup
}

// PutJob implements brigade.Jobs.
func (s *resultStore) PutJob(ctx context.Context, j *brigade.Job) error {
	if err := s.Store.PutJob(ctx, j); err != nil {
		return err
	}
	if j.State.Ended() && j.Inherited == "" {
		done := *j
		s.pending.Go(func() {
			if err := worker.MarkJob(context.WithoutCancel(ctx), s.client, s.ns, &done); err != nil {
				s.log.Warn("note on its pod how the job ended", "job", done.ID, "err", err)
			}
		})
	}
	return nil
}

// settle waits until everything is written.
func (s *resultStore) settle() { s.pending.Wait() }

// v1Log prints what v1's worker prints.
type v1Log struct {
	to    io.Writer
	level brigade.LogLevel
	ns    string

	mu      sync.Mutex
	said    map[string]brigade.State // by job
	streams map[string]bool          // whose lines are wanted
}

func (l *v1Log) say(level brigade.LogLevel, text string) {
	if l.level.Shows(level) {
		_, _ = fmt.Fprintln(l.to, text)
	}
}

// watch prints what happens.
func (l *v1Log) watch(c brigade.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.Job != nil:
		l.job(c.Job)
	case c.Lines != nil && c.Lines[0].JobID == "":
		for _, line := range c.Lines {
			_, _ = fmt.Fprintln(l.to, line.Text)
		}
	case c.Lines != nil && l.streams[c.Lines[0].JobID]:
		for _, line := range c.Lines {
			l.say(brigade.LevelLog, fmt.Sprintf("[brigade:k8s] %s/%s logs %s", l.ns, line.JobID, line.Text))
		}
	}
}

func (l *v1Log) job(j *brigade.Job) {
	if l.said == nil {
		l.said, l.streams = map[string]brigade.State{}, map[string]bool{}
	}
	l.streams[j.ID] = j.Spec.StreamLogs
	before, known := l.said[j.ID]
	if l.said[j.ID] = j.State; known && before == j.State {
		return
	}
	switch {
	case !known && j.State == brigade.StatePending:
		l.say(brigade.LevelLog, "[brigade:k8s] Creating pod "+j.ID)
	case phases[j.State] != "":
		l.say(brigade.LevelLog, fmt.Sprintf("[brigade:k8s] %s/%s phase %s", l.ns, j.ID, phases[j.State]))
	}
}

// phases are the states as v1's worker prints them.
var phases = map[brigade.State]string{
	brigade.StatePulling: "Pending", brigade.StateRunning: "Running",
	brigade.StateSucceeded: "Succeeded", brigade.StateFailed: "Failed", brigade.StateCanceled: "Failed",
}
