// Package kubefault is the test that nothing is lost in a cluster: builds are
// made in a real Kubernetes while controllers are killed, pods of workers and of
// jobs are deleted under way, the API server is restarted and the namespace's
// quota is full. At the end everything has to be accounted for: every build has
// ended, no job that had succeeded ran again, nothing is stuck, and no pod and
// no volume is left.
//
//	go test ./e2e/kubefault                                  a small one, as in CI
//	go run ./e2e/kubefault/cmd -builds 300 -for 10m          one to leave running
//
// Pods are those of a node that runs nothing: it writes down what it would.
package kubefault

import (
	"context"
	_ "embed" // the pipeline
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/fault"
	"github.com/brigadecore/brigade/v3/e2e/kubesite"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

//go:embed brigade.js
var pipeline string

// jobNames are the jobs of the pipeline.
var jobNames = []string{"first", "left", "right", "last"}

// Options say how hard to try. Cluster, Program and Dir are required. The
// cluster is the test's own: its API server is restarted.
type Options struct {
	Cluster *testcluster.Cluster
	Program string        // the brig to test
	Dir     string        // an empty directory for everything
	Store   string        // of the controllers: memory (the default) or sqlite
	Builds  int           // to make, at least; default 20
	For     time.Duration // how long to make them, at least
	AtOnce  int           // builds that are open at the same time; default 8
	// Faults is how many of each kind there are at least; default 1. Those that
	// are cheap come more often.
	Faults int
	Every  time.Duration // mean time between two faults; default 1 s
	Seed   uint64        // of what is random; 0 takes one
	Stuck  time.Duration // how long nothing may end before builds count as stuck; default 4 min
	Logf   func(format string, args ...any)
}

func (o *Options) fill() {
	set := func(to *int, value int) {
		if *to <= 0 {
			*to = value
		}
	}
	set(&o.Builds, 20)
	set(&o.AtOnce, 8)
	set(&o.Faults, 1)
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Stuck <= 0 {
		o.Stuck = 4 * time.Minute
	}
	if o.Store == "" {
		o.Store = "memory"
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
}

// test is one run.
type test struct {
	opt  Options
	site *kubesite.Site
	// projects: scripts beside the controller, and in worker pods.
	beside, inPods string
	record         *record

	mu          sync.Mutex
	random      *rand.Rand
	controllers []*kubesite.Controller
	builds      []string // made so far
	closed      bool
	killed      map[*kubesite.Controller]bool
	inPod       map[string]bool
	deleted     map[string]int // pods that a fault deleted, by name
	counts      map[string]int
	order       []string
	problems    []string
}

// Run runs the test and returns what it counted and found wrong. The error is
// about the test, not about what it found.
func Run(ctx context.Context, opt Options) (*fault.Report, error) {
	opt.fill()
	t := &test{
		opt: opt, random: rand.New(rand.NewPCG(opt.Seed, 1)), record: newRecord(),
		killed: map[*kubesite.Controller]bool{}, inPod: map[string]bool{}, deleted: map[string]int{}, counts: map[string]int{},
	}
	opt.Logf("seed %d, everything is in %s", opt.Seed, opt.Dir)
	node, err := opt.Cluster.AddFakeNode(ctx, testcluster.FakeNodeOptions{Run: t.fate})
	if err != nil {
		return nil, err
	}
	defer node.Remove()
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	if err := t.record.follow(following, t.site.Client); err != nil {
		return nil, err
	}
	for i := range t.controllers {
		if err := t.start(i); err != nil {
			return nil, err
		}
	}
	defer t.stopAll()
	if err = t.run(ctx); err == nil {
		err = t.check(ctx)
	}
	return t.report(), errors.Join(err, t.site.Close(context.WithoutCancel(ctx)))
}

func (t *test) prepare(ctx context.Context) (err error) {
	t.site, err = kubesite.New(ctx, kubesite.Options{Cluster: t.opt.Cluster, Program: t.opt.Program, Dir: t.opt.Dir})
	if err != nil {
		return err
	}
	if t.beside, err = t.site.Project(ctx, "fault/beside", pipeline, nil); err != nil {
		return err
	}
	t.inPods, err = t.site.Project(ctx, "fault/pods", pipeline, map[string]string{"worker.name": "fault-worker", "worker.tag": "1"})
	t.controllers = make([]*kubesite.Controller, 2)
	if t.opt.Store != "memory" {
		t.controllers = t.controllers[:1] // a database on a volume has one
	}
	return err
}

// start starts the controller of that pod.
func (t *test) start(i int) error {
	c, err := t.site.StartAs(fmt.Sprintf("controller-%d", i), "--store", t.opt.Store, "--lease-duration", "4s")
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.controllers[i] = c
	if t.closed {
		t.killed[c] = true
		c.Kill()
	}
	go t.keep(i, c)
	return nil
}

// keep starts a controller again that has ended by itself, as a kubelet does:
// it may, when it cannot reach the API server at its start.
func (t *test) keep(i int, c *kubesite.Controller) {
	<-c.Exited()
	t.mu.Lock()
	killed := t.killed[c]
	t.killed[c] = true // not by anybody else
	t.mu.Unlock()
	if killed {
		return
	}
	if log := c.Log(); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") || strings.Contains(log, "DATA RACE") {
		t.problem("a controller has crashed: %s", log)
	}
	t.count("controllers that ended by themselves", 1)
	t.opt.Logf("a controller has ended by itself: %s", c.Log())
	t.pause(context.Background(), time.Second)
	if err := t.start(i); err != nil {
		t.problem("start a controller: %v", err)
	}
}

// stopAll ends all controllers, for good.
func (t *test) stopAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.controllers {
		if c != nil {
			t.killed[c] = true
			c.Kill()
		}
	}
}

// fate is what happens to a pod: workers take about as long as a build.
func (t *test) fate(pod *corev1.Pod) testcluster.Fate {
	t.record.began(pod)
	t.mu.Lock()
	defer t.mu.Unlock()
	fate := testcluster.FateOf(pod)
	fate.Nap = time.Duration(100+t.random.IntN(700)) * time.Millisecond
	if pod.Labels[objects.LabelComponent] == objects.ComponentBuild {
		fate.Nap *= 3
	}
	fate.Log = "hello\n"
	return fate
}

// run makes builds, a few at a time, as long as there are to be more of them or
// faults are under way, and returns when all have ended or nothing goes on any
// more.
func (t *test) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	var faultsErr error
	go func() {
		defer close(over)
		faultsErr = t.makeFaults(ctx)
	}()
	begun, last, since := time.Now(), -1, time.Now()
	for faults := true; ; {
		select {
		case <-over:
			faults = false
		case <-ctx.Done():
			<-over
			return context.Cause(ctx)
		default:
		}
		open := t.site.Open(t.builds)
		if ended := len(t.builds) - len(open); ended != last {
			last, since = ended, time.Now()
		}
		more := faults || len(t.builds) < t.opt.Builds || time.Since(begun) < t.opt.For
		switch {
		case time.Since(since) > t.opt.Stuck:
			t.stuck(open)
			cancel()
			<-over
			return nil
		case more && len(open) < t.opt.AtOnce:
			t.build(ctx)
			continue
		case !more && len(open) == 0:
			return faultsErr
		}
		t.pause(ctx, 50*time.Millisecond)
	}
}

// build makes a build, unless the API server is away: then later.
func (t *test) build(ctx context.Context) {
	project := t.beside
	inPod := len(t.builds)%4 == 3
	if inPod {
		project = t.inPods
	}
	id, err := t.site.Build(ctx, project)
	if err != nil && !t.made(ctx, id) {
		t.count("events that were refused, and sent again", 1)
		t.pause(ctx, 200*time.Millisecond)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.builds, t.inPod[id] = append(t.builds, id), inPod
}

func (t *test) stuck(open []string) {
	for _, b := range open {
		status, _ := t.site.Status(b)
		t.problem("build %s is stuck: %s since %s, attempt %d; its pods: %s", b, status.State, status.Started, status.Attempt, t.record.about(b))
	}
}

func (t *test) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
