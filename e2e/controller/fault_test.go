package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// settings is what a controller in a process of its own is told.
type settings struct {
	Kubeconfig, Namespace, State, Store string
}

// TestMain is also the program of controllers that are killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("CONTROLLER_TEST"); text != "" {
		os.Exit(controllerMain(text))
	}
	os.Exit(m.Run())
}

func controllerMain(text string) int {
	var set settings
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var opt app.ControllerOptions
	opt.Dirs = app.Dirs{State: set.State, Cache: set.State, Home: set.State}
	opt.API.Address, opt.Store = "127.0.0.1:0", set.Store
	opt.Kube = cluster.Options{Kubeconfig: set.Kubeconfig, Namespace: set.Namespace}
	opt.LeaseDuration = 2 * time.Second // the next one waits for it
	c, err := app.NewController(context.Background(), opt)
	if err == nil {
		err = c.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// process starts a controller in a process of its own.
func (s *site) process(state, store string) *exec.Cmd {
	s.t.Helper()
	text, err := json.Marshal(settings{s.c.Kubeconfig(), s.ns, state, store})
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "CONTROLLER_TEST="+string(text))
	cmd.Stderr = testLog{s.t}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
	})
	return cmd
}

// A controller that is killed under way leaves its build to the next one, which
// finds the job that runs and repeats none that is done.
func TestKilledControllers(t *testing.T) {
	for _, store := range []string{app.StoreMemory, app.StoreSQLite} {
		t.Run(store, func(t *testing.T) {
			n := newNode("long-")
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
			state := t.TempDir()
			b := s.build()
			for range 3 {
				cmd := s.process(state, store)
				s.state(b, brigade.StateRunning)
				s.runs("long-" + b)
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // killed
			}
			s.process(state, store)
			s.finish("long-"+b, 0)
			s.state(b, brigade.StateSucceeded)
			n.once(t, "first-"+b, "long-"+b)
		})
	}
}

// While the API server is away builds wait, and go on when it is back.
func TestAPIServerRestarts(t *testing.T) {
	c := testcluster.Start(t, testcluster.Options{})
	n := newNode("long-")
	s := newSite(t, c, testcluster.FakeNodeOptions{Run: n.run}, twoJobs)
	ctl, _ := s.start(s.options())
	s.leads(ctl)
	b := s.build()
	s.runs("long-" + b)
	if err := c.StopAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.finish("long-"+b, 0)
	s.state(b, brigade.StateSucceeded)
	n.once(t, "first-"+b, "long-"+b)
	next := s.build()
	s.runs("long-" + next)
	s.finish("long-"+next, 0)
	s.state(next, brigade.StateSucceeded)
}

// A build costs few writes, and a controller with nothing to do asks nothing
// but to keep its lease.
func TestRequestsOfAController(t *testing.T) {
	c := testcluster.Start(t, testcluster.Options{Audit: true})
	s := newSite(t, c, testcluster.FakeNodeOptions{}, oneJob)
	ctl, _ := s.start(s.options())
	s.leads(ctl)
	s.state(s.build(), brigade.StateSucceeded) // the first one
	b := s.build()
	s.state(b, brigade.StateSucceeded)
	writes := map[string]int{}
	for _, r := range requests(t, c) {
		if strings.Contains(r.Name, b) && r.Verb != "get" {
			writes[r.Verb+" "+r.Resource]++
		}
	}
	want := map[string]int{"patch secrets": 2, "create secrets": 1, "create pods": 1, "patch pods": 1}
	for what, most := range want {
		if writes[what] > most {
			t.Errorf("%s: %d, more than %d", what, writes[what], most)
		}
		delete(writes, what)
	}
	if len(writes) > 0 {
		t.Errorf("and besides: %v", writes)
	}
	// Three renewals of the lease are a time in which something could happen.
	before := requests(t, c)
	var idle []testcluster.Request
	testcluster.Until(t, "the lease is renewed three times", func() error {
		idle = requests(t, c)[len(before):]
		n := 0
		for _, r := range idle {
			if r.Resource == "leases" {
				n++
			}
		}
		if n < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	for _, r := range idle {
		if r.Resource != "leases" && r.Verb != "watch" {
			t.Errorf("with nothing to do: %s %s %s", r.Verb, r.Resource, r.Name)
		}
	}
}

// requests are those of the controller so far.
func requests(t *testing.T, c *testcluster.Cluster) []testcluster.Request {
	t.Helper()
	all, err := c.Requests()
	if err != nil {
		t.Fatal(err)
	}
	var own []testcluster.Request
	for _, r := range all {
		if strings.HasPrefix(r.UserAgent, "controller") {
			own = append(own, r)
		}
	}
	return own
}
