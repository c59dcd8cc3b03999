// Package fault is the test that nothing is ever lost: a real `brig server` is
// sent events while it and its workers are killed, its disk fills up, and
// clients misbehave. At the end everything has to be accounted for: every
// event that was answered has its build, every build has ended, no job that
// was recorded as finished ran again, and nothing was left behind.
//
//	go test ./e2e/fault                                     a small one, as in CI
//	go run ./e2e/fault/cmd -builds 500 -for 10m             one to leave running
package fault

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/serving"
)

//go:embed brigade.js
var pipeline string

// jobNames are the jobs of the pipeline, and how long the longest pause is.
var jobNames = []string{"aside", "first", "last", "left", "middle", "right"}

// Options say how hard to try. Program and Dir are required.
type Options struct {
	Program  string        // the brig to test
	Dir      string        // an empty directory for everything
	Builds   int           // events to send; default 40
	For      time.Duration // over which they are sent; 0: as fast as they are taken
	Runner   string        // process (the default) or docker
	Env      []string      // of the server
	Isolated bool          // jobs are isolated: the journal has to be mounted
	Seed     uint64        // of what is random; 0 takes one
	// KillEvery is the mean time between two kills of the server; default 2 s.
	KillEvery time.Duration
	// Workers are killed, the Disk is filled (Linux, as root), Clients misbehave.
	Workers, Disk, Clients bool
	// Stuck is how long nothing may end before builds count as stuck; default 90 s.
	Stuck time.Duration
	Logf  func(format string, args ...any)
}

// pause is the length of the longest job in seconds.
const pause = 0.5

// test is one run.
type test struct {
	opt     Options
	server  *serving.Server
	random  *rand.Rand
	journal *journal
	sent    *sent
	disk    *disk
	token   string // of the gateways

	mu       sync.Mutex
	counts   map[string]int
	order    []string
	problems []string
	stopped  chan struct{} // closed when no more faults are wanted
}

// Run runs the test and returns what it counted and found wrong. The error is
// about the test, not about what it found.
func Run(ctx context.Context, opt Options) (*Report, error) {
	opt.fill()
	t := &test{
		opt: opt, random: rand.New(rand.NewPCG(opt.Seed, 1)), token: "fault-gateway-secret",
		sent: &sent{answered: map[string]bool{}}, counts: map[string]int{}, stopped: make(chan struct{}),
	}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(err, t.disk.remove())
	}
	err := t.run(ctx)
	if err == nil {
		err = t.check(ctx)
	}
	killErr := t.server.Kill()
	if err == nil {
		t.checkLeftovers()
	}
	return t.report(), errors.Join(err, killErr, t.disk.remove())
}

func (o *Options) fill() {
	if o.Builds <= 0 {
		o.Builds = 40
	}
	if o.Runner == "" {
		o.Runner = "process"
	}
	if o.KillEvery <= 0 {
		o.KillEvery = 2 * time.Second
	}
	if o.Stuck <= 0 {
		o.Stuck = 90 * time.Second
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
}

func (t *test) prepare(ctx context.Context) (err error) {
	t.opt.Logf("seed %d, everything is in %s", t.opt.Seed, t.opt.Dir)
	data := filepath.Join(t.opt.Dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if t.opt.Disk {
		if t.disk, err = newDisk(data); err != nil {
			return fmt.Errorf("mount a small disk: %w", err)
		}
	}
	if t.journal, err = newJournal(filepath.Join(t.opt.Dir, "journal")); err != nil {
		return err
	}
	t.server, err = serving.New(serving.Options{
		Program: t.opt.Program, Dir: t.opt.Dir, Data: data, Runner: t.opt.Runner, Env: t.opt.Env,
		Args: []string{"--grace", "2s", "--max-builds", "8", "--drain", "20s"},
	})
	if err != nil {
		return err
	}
	if err := t.server.Start(ctx); err != nil {
		return err
	}
	p := brigade.NewProject("fault/test")
	p.DefaultScript, p.GenericGatewaySecret, p.AllowHostMounts = pipeline, t.token, true
	p.Repo.CloneURL, err = repository(filepath.Join(t.opt.Dir, "repository"))
	if err != nil {
		return err
	}
	return t.server.PutProject(ctx, p)
}

// run sends the events and makes the faults, and returns when all builds have
// ended or nothing goes on any more.
func (t *test) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	helpers.Go(func() { t.observe(ctx) })
	if t.opt.Clients {
		helpers.Go(func() { t.misbehave(ctx) })
	}
	var faults sync.WaitGroup
	faults.Go(func() { t.makeFaults(ctx) })
	t.send(ctx)
	drained := t.drain(ctx, faults.Wait)
	return errors.Join(ctx.Err(), drained)
}

// drain waits until all builds have ended. Faults go on until three quarters
// have.
func (t *test) drain(ctx context.Context, faultsOver func()) error {
	stop := sync.OnceFunc(func() {
		close(t.stopped)
		faultsOver()
	})
	defer stop()
	last, since := -1, time.Now()
	for ctx.Err() == nil {
		open, err := t.server.Builds(ctx, "state=pending&state=running")
		if err == nil {
			if len(open) != last {
				last, since = len(open), time.Now()
				t.opt.Logf("%d builds have not ended", last)
			}
			if last <= t.opt.Builds/4 {
				stop()
			}
			if last == 0 {
				return nil
			}
		}
		if time.Since(since) > t.opt.Stuck {
			for _, b := range open {
				t.problem("build %s is stuck: %s since %s, attempt %d", b.ID, b.State, b.Started, b.Attempt)
			}
			if err != nil {
				t.problem("the server does not answer any more: %v", err)
			}
			return nil
		}
		pauseFor(ctx, 200*time.Millisecond)
	}
	return ctx.Err()
}

func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
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
