package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/lead"
	kubestore "github.com/brigadecore/brigade/v3/kube/store"
)

// ControllerOptions say what the controller of a cluster is made of.
type ControllerOptions struct {
	ServerOptions // Runner is not used; Gateways without an address: none
	Kube          cluster.Options
	// Store keeps jobs, logs and the queue: memory, sqlite or postgres.
	Store    string
	Postgres string // says where the database is
	// InPods runs every script in a worker pod, not only those of projects
	// with a worker of their own.
	InPods  bool
	Workers WorkerPods
	Jobs    JobPods
	// Workspace brings files to pods and home again.
	Workspace WorkspaceOptions
	Vacuum    VacuumOptions

	// Identity of this process among controllers, unique; default Pod, so that a
	// container that is started again in it leads at once, as the one before.
	Identity string
	Pod      string   // the pod this program runs in, "" for none
	Health   Listener // /healthz and /readyz; without an address there are none
	// How long others wait for a leader that is not heard of; 0: the defaults.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// WorkerPods say how worker pods are made, where their project does not.
type WorkerPods struct {
	Image, PullPolicy, ServiceAccount string
	// Command is what the image runs; nil: what it runs by itself. Own says
	// that the image is this program.
	Command          []string
	Own              bool
	Requests, Limits brigade.Resources
	NodeSelector     map[string]string
}

// Controller is the controller of a cluster: as a server on one machine, with
// the cluster's Secrets as its builds and pods as its jobs. Of several, one
// leads and works, the others wait.
type Controller struct {
	opt    ControllerOptions
	client *cluster.Client
	health *part
	lead   lead.Options

	mu      sync.Mutex
	server  *Server // while this process leads
	killed  bool
	leading chan struct{} // closed when the first lead is in work
	err     error         // why the lead was given up
}

// NewController connects to the cluster. It asks it nothing yet. Call Run, or Close.
func NewController(ctx context.Context, opt ControllerOptions) (*Controller, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Identity == "" {
		opt.Identity = cmp.Or(opt.Pod, owner())
	}
	opt.HostKeys.Pods, opt.HostKeys.AcceptNew = true, opt.HostKeys.Known == ""
	opt.Jobs.KnownHosts = opt.HostKeys.Known
	opt.Kube.Log = opt.Log
	client, err := cluster.Open(opt.Kube)
	if err != nil {
		return nil, err
	}
	c := &Controller{opt: opt, client: client, leading: make(chan struct{})}
	c.lead = lead.Options{
		Client: client, Identity: opt.Identity, Pod: opt.Pod, Log: opt.Log,
		LeaseDuration: opt.LeaseDuration, RenewDeadline: opt.RenewDeadline, RetryPeriod: opt.RetryPeriod,
	}
	if opt.Health.Address == "" {
		return c, nil
	}
	c.health, err = newPart(ctx, "health endpoint", opt.Health, c.healthHandler(), opt.Log)
	return c, err
}

// Close releases what Run did not.
func (c *Controller) Close() error {
	if c.health != nil {
		return c.health.http.Close()
	}
	return nil
}

// Run waits for the lead, works, and returns when ctx ends: builds that run
// then are handed over to the next leader after the drain time. An error says
// why it cannot lead at all.
func (c *Controller) Run(ctx context.Context) error {
	if c.health != nil {
		go func() { _ = c.health.serve() }()
		defer func() { _ = c.health.http.Close() }()
	}
	err := lead.Run(ctx, c.lead, c.work)
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(err, c.err)
}

// work is a controller that leads, until ctx ends.
func (c *Controller) work(ctx context.Context) {
	err := c.serve(ctx)
	if lead.Lost(ctx) {
		if err != nil {
			c.opt.Log.Warn("give up the lead", "err", err)
		}
		return // and stand again
	}
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
}

func (c *Controller) serve(ctx context.Context) error {
	opt := c.opt.ServerOptions
	s, err := newServer(ctx, opt, newClusterSite(c))
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.server = s
	if c.killed {
		s.Kill()
	}
	c.mu.Unlock()
	unmark := lead.Mark(ctx, c.lead)
	defer func() {
		c.mu.Lock()
		c.server = nil
		c.mu.Unlock()
		if err := s.Close(); err != nil {
			c.opt.Log.Error("close", "err", err)
		}
	}()
	stopMark := context.AfterFunc(ctx, unmark) // before the API ends
	defer stopMark()
	select {
	case <-c.leading:
	default:
		close(c.leading)
	}
	addresses := s.Addresses()
	c.opt.Log.Info("leading", "identity", c.opt.Identity, "api", addresses["api"], "gateways", addresses["gateways"], "namespace", c.client.Namespace)
	return s.Run(ctx)
}

// Leading is closed once this process has led for the first time.
func (c *Controller) Leading() <-chan struct{} { return c.leading }

// Addresses are where the parts listen: "health", and while this process leads
// "api" and "gateways".
func (c *Controller) Addresses() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]string{}
	if c.server != nil {
		all = c.server.Addresses()
	}
	if c.health != nil {
		all["health"] = c.health.listener.Addr().String()
	}
	return all
}

// Kill ends running scripts without grace: the second signal. Jobs in pods go on.
func (c *Controller) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.server != nil {
		c.server.dispatcher.HandOver()
	}
}

// healthHandler answers the kubelet: alive is who answers; ready is who waits
// for the lead, or leads and is told of what happens in the cluster.
func (c *Controller) healthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		s := c.server
		c.mu.Unlock()
		if s == nil {
			_, _ = fmt.Fprintln(w, "ok: another one leads, or is about to")
			return
		}
		if err := s.Store.(*kubestore.Store).Healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok: leading")
	})
	return mux
}
