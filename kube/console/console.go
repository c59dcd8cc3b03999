// Package console is what the program of a person does with an installation in
// a cluster, with the person's kubeconfig: it reads and changes v1's objects
// through kube/store, reads logs from pods while they are written, and looks
// whether the installation works.
//
// Nothing is asked for before it is needed. What is looked at once is asked for
// once; what is followed is watched.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/forward"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/store"
)

// Options say which installation. Memory is required.
type Options struct {
	Cluster cluster.Options
	// Memory makes a store that holds what is read, and forgets it.
	Memory func() brigade.Store
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // nil drops it
}

// Console is a connection to one namespace of a cluster. It implements the
// root's Projects, Builds, Jobs and Logs. Close it.
type Console struct {
	opt    Options
	client *cluster.Client
	once   *store.Store

	mu       sync.Mutex
	live     *store.Store // what is watched, once something is
	watchers map[*watcher]struct{}
}

var (
	_ brigade.Projects = (*Console)(nil)
	_ brigade.Builds   = (*Console)(nil)
	_ brigade.Jobs     = (*Console)(nil)
	_ brigade.Logs     = (*Console)(nil)
)

// Open reads the kubeconfig. It does not reach out.
func Open(ctx context.Context, opt Options) (*Console, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	client, err := cluster.Open(opt.Cluster)
	if err != nil {
		return nil, err
	}
	c := &Console{opt: opt, client: client, watchers: map[*watcher]struct{}{}}
	c.once, err = store.New(ctx, store.Options{Client: client, Inner: opt.Memory(), Scope: store.ScopeOnce, Observer: true, Now: opt.Now, Log: opt.Log})
	return c, err
}

// Close ends what is watched.
func (c *Console) Close() error {
	c.mu.Lock()
	live := c.live
	c.mu.Unlock()
	err := c.once.Close()
	if live != nil {
		err = errors.Join(err, live.Close())
	}
	return err
}

// Namespace is where the installation is.
func (c *Console) Namespace() string { return c.client.Namespace }

// Host is the address of the cluster's API server, for people.
func (c *Console) Host() string { return c.client.Host }

// Store is the store that is read: what is watched, when something is.
func (c *Console) Store() *store.Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live != nil {
		return c.live
	}
	return c.once
}

// follow has everything watched from now on.
func (c *Console) follow(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live != nil {
		return nil
	}
	live, err := store.New(ctx, store.Options{
		Client: c.client, Inner: c.opt.Memory(), Scope: store.ScopeAll, Observer: true, Now: c.opt.Now, Log: c.opt.Log,
		Changed:        c.tell,
		ProjectChanged: func(string) { c.tell(brigade.Change{Time: c.opt.Now()}) },
	})
	if err != nil {
		return err
	}
	c.live = live
	return nil
}

// watcher is somebody who is told of changes.
type watcher struct {
	build string // "" for all
	more  chan struct{}

	mu    sync.Mutex
	queue []brigade.Change
	drop  bool // what changed does not matter, only that something did
}

func (c *Console) tell(change brigade.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watchers {
		if w.build != "" && change.BuildID != "" && w.build != change.BuildID {
			continue
		}
		w.mu.Lock()
		if !w.drop {
			w.queue = append(w.queue, change)
		}
		w.mu.Unlock()
		select {
		case w.more <- struct{}{}:
		default:
		}
	}
}

// Watch calls changed for every change of that build, or with "" of every
// build, job and project, from now on until ctx ends. A change of a project is
// one without a build. It returns the cause of ctx's end, or why nothing can be
// watched.
func (c *Console) Watch(ctx context.Context, buildID string, changed func(brigade.Change)) error {
	w := c.subscribe(buildID)
	defer c.unsubscribe(w)
	if err := c.follow(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.more:
		}
		for _, change := range w.take() {
			changed(change)
		}
	}
}

// Signals is sent something when that build, or with "" any, may have changed,
// until ctx ends. What is read afterwards is watched.
func (c *Console) Signals(ctx context.Context, buildID string) (<-chan struct{}, error) {
	w := c.subscribe(buildID)
	if err := c.follow(ctx); err != nil {
		c.unsubscribe(w)
		return nil, err
	}
	w.mu.Lock()
	w.drop = true
	w.mu.Unlock()
	context.AfterFunc(ctx, func() { c.unsubscribe(w) })
	return w.more, nil
}

func (w *watcher) take() []brigade.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := w.queue
	w.queue = nil
	return queue
}

func (c *Console) subscribe(buildID string) *watcher {
	w := &watcher{build: buildID, more: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[w] = struct{}{}
	return w
}

func (c *Console) unsubscribe(w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watchers, w)
}

// The rest is the store's.

// Project finds one by ID or by name.
func (c *Console) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	return c.Store().Project(ctx, idOrName)
}

// ListProjects returns all of them, by name.
func (c *Console) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	return c.Store().ListProjects(ctx)
}

// PutProject creates it or replaces the one with its ID.
func (c *Console) PutProject(ctx context.Context, p *brigade.Project) error {
	return c.Store().PutProject(ctx, p)
}

// DeleteProject forgets it; its builds stay.
func (c *Console) DeleteProject(ctx context.Context, id string) error {
	return c.Store().DeleteProject(ctx, id)
}

// CreateBuild stores b.
func (c *Console) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	return c.Store().CreateBuild(ctx, b)
}

// Build finds one by its ID, or by a prefix of it that only one build has.
func (c *Console) Build(ctx context.Context, id string) (*brigade.Build, error) {
	return c.Store().Build(ctx, id)
}

// ListBuilds returns a page, newest first.
func (c *Console) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	return c.Store().ListBuilds(ctx, f)
}

// UpdateBuild changes a build.
func (c *Console) UpdateBuild(ctx context.Context, id string, change func(*brigade.Build) error) (*brigade.Build, error) {
	return c.Store().UpdateBuild(ctx, id, change)
}

// DeleteBuild removes it with its pods.
func (c *Console) DeleteBuild(ctx context.Context, id string) error {
	return c.Store().DeleteBuild(ctx, id)
}

// PutJob is refused: who runs a job keeps its record.
func (c *Console) PutJob(context.Context, *brigade.Job) error {
	return brigade.Errorf(brigade.CodeUsage, "jobs are written down by who runs them")
}

// Job finds one by ID.
func (c *Console) Job(ctx context.Context, id string) (*brigade.Job, error) {
	return c.Store().Job(ctx, id)
}

// ListJobs returns a build's jobs by creation.
func (c *Console) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	return c.Store().ListJobs(ctx, buildID)
}

// AppendLog is refused: who runs a build keeps its logs.
func (c *Console) AppendLog(context.Context, []brigade.LogLine) error {
	return brigade.Errorf(brigade.CodeUsage, "logs are written down by who runs the build")
}

// ReadLog returns lines of a pod's log.
func (c *Console) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	return c.Store().ReadLog(ctx, q)
}

// Leader is the pod of the controller that leads, which serves the API and the
// dashboard. CodeUnavailable says that there is none.
func (c *Console) Leader(ctx context.Context) (pod string, err error) {
	list, err := c.client.Pods("").List(ctx, metav1.ListOptions{LabelSelector: objects.LabelLeader + "=true"})
	if err != nil {
		return "", cluster.Error(err)
	}
	running := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil
	})
	if len(running) == 0 {
		return "", brigade.Errorf(brigade.CodeUnavailable, "no controller of Brigade runs in the namespace %s", c.client.Namespace).
			WithHint("is it the right namespace? brig check tells more")
	}
	newest := slices.MaxFunc(running, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return newest.Name, nil
}

// Dial connects to a port of a pod, "" for the controller that leads.
func (c *Console) Dial(ctx context.Context, pod string, port int) (net.Conn, error) {
	if pod == "" {
		var err error
		if pod, err = c.Leader(ctx); err != nil {
			return nil, err
		}
	}
	d, err := forward.New(c.client)
	if err != nil {
		return nil, err
	}
	return d.Dial(ctx, pod, port)
}

// Forward passes what connects to l on to a port of a pod until ctx ends: of
// the one with that name, or with "" of the controller that leads.
func (c *Console) Forward(ctx context.Context, l net.Listener, pod string, port int, failed func(error)) error {
	d, err := forward.New(c.client)
	if err != nil {
		return err
	}
	return d.Serve(ctx, l, func(ctx context.Context) (string, int, error) {
		if pod != "" {
			return pod, port, nil
		}
		leader, err := c.Leader(ctx)
		return leader, port, err
	}, failed)
}

// SidecarLog returns what the init container of a build's worker pod, or of a
// job's pod, printed while it fetched the files.
func (c *Console) SidecarLog(ctx context.Context, buildID, jobID string) ([]brigade.LogLine, error) {
	pod := jobID
	if pod == "" {
		if _, err := c.Build(ctx, buildID); err != nil {
			return nil, err
		}
		name, _, ok := c.Store().SecretOf(buildID)
		if !ok {
			return nil, brigade.NotFound("build", buildID)
		}
		pod = name
	}
	most := int64(brigade.DefaultLogCap)
	stream, err := c.client.PodLog(ctx, "", pod, &corev1.PodLogOptions{Container: objects.ContainerSidecar, Timestamps: true, LimitBytes: &most})
	if err != nil {
		err = cluster.Error(err)
		if brigade.CodeOf(err) == brigade.CodeNotFound || brigade.CodeOf(err) == brigade.CodeInvalid {
			return nil, brigade.Errorf(brigade.CodeNotFound, "pod %s has no init container whose log is there", pod)
		}
		return nil, err
	}
	defer func() { _ = stream.Close() }()
	masker, err := c.masker(ctx, buildID)
	if err != nil {
		return nil, err
	}
	var lines []brigade.LogLine
	err = readLines(stream, masker, func(l brigade.LogLine) {
		l.BuildID, l.JobID, l.Seq = buildID, jobID, int64(len(lines))+1
		lines = append(lines, l)
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of pod %s: %w", pod, err)
	}
	return lines, nil
}
