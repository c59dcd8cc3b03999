package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	kubestore "github.com/brigadecore/brigade/v3/kube/store"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// Kinds of gateways that listen together, as v1's gateways do.
const (
	GatewaysGeneric  = "generic"
	GatewaysGitHub   = "github"
	GatewaysRegistry = "cr"
	GatewaysAll      = "all"
)

// GatewayOptions say what gateways of a cluster are made of.
type GatewayOptions struct {
	Kube    cluster.Options
	Gateway gateway.Options
	Serve   []GatewayListener
	Limits  intake.Limits
	Proxies []netip.Prefix
	Drain   time.Duration // that requests have at the end
	Now     func() time.Time
	Log     *slog.Logger
}

// GatewayListener is where the gateways of one kind listen.
type GatewayListener struct {
	Kind string
	Listener
}

// Gateways turn requests into Secrets of a cluster. They keep nothing: there
// may be several that do the same.
type Gateways struct {
	opt    GatewayOptions
	intake *intake.Intake
	store  *kubestore.Store
	feed   *feed.Feed
	parts  []*part
}

// NewGateways connects to the cluster and binds the listeners. Call Run, and
// Close.
func NewGateways(ctx context.Context, opt GatewayOptions) (*Gateways, error) {
	if len(opt.Serve) == 0 {
		return nil, brigade.Errorf(brigade.CodeUsage, "no gateway is to be served").WithHint("name some, such as --generic :8000 --github :7744")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateways{opt: opt}
	if err := g.wire(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateways) wire(ctx context.Context) error {
	g.opt.Kube.Log = g.opt.Log
	client, err := cluster.Open(g.opt.Kube)
	if err != nil {
		return err
	}
	changed := make(chan struct{}) // closed when the intake is there to be told
	g.store, err = kubestore.New(ctx, kubestore.Options{
		Client: client, Inner: memory.New(memory.Options{Now: g.opt.Now}), Scope: kubestore.ScopeProjects, Now: g.opt.Now, Log: g.opt.Log,
		ProjectChanged: func(string) {
			<-changed
			if g.intake != nil {
				g.intake.Invalidate()
			}
		},
	})
	defer close(changed)
	if err != nil {
		return err
	}
	g.feed = feed.New(feed.Options{})
	made, err := intake.New(intake.Options{Store: g.store, Feed: g.feed, Decide: intake.DecideElsewhere, Remote: remoteOf(g.opt.Proxies), Limits: g.opt.Limits, Now: g.opt.Now, Log: g.opt.Log})
	if err != nil {
		return err
	}
	g.intake = made
	for _, at := range g.opt.Serve {
		gateways, err := gatewaysOf(at.Kind, g.opt.Gateway)
		if err != nil {
			return err
		}
		handler, err := g.intake.Handler(gateways)
		if err != nil {
			return err
		}
		p, err := newPart(ctx, at.Kind+" gateway", at.Listener, g.withReadiness(handler), g.opt.Log)
		if err != nil {
			return err
		}
		g.parts = append(g.parts, p)
	}
	return nil
}

// withReadiness answers, beside the gateways, whether events can be taken: not
// while the API server is away, which has to keep them. That somebody listens is
// what /healthz says.
func (g *Gateways) withReadiness(gateways http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", gateways)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := g.store.Healthy(); err != nil {
			g.opt.Log.Debug("not ready", "err", err)
			http.Error(w, "the API server of the cluster cannot be reached", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return mux
}

// gatewaysOf are those of a kind.
func gatewaysOf(kind string, opt gateway.Options) ([]brigade.Gateway, error) {
	switch kind {
	case GatewaysGeneric:
		return []brigade.Gateway{gateway.NewGeneric(), gateway.NewCloudEvents()}, nil
	case GatewaysGitHub:
		return []brigade.Gateway{gateway.NewGitHub(opt.GitHub)}, nil
	case GatewaysRegistry:
		return []brigade.Gateway{gateway.NewRegistry()}, nil
	case GatewaysAll:
		return gateway.All(opt), nil
	}
	return nil, brigade.Errorf(brigade.CodeUsage, "there are no gateways of the kind %q", kind)
}

// Addresses are where the gateways listen, by kind.
func (g *Gateways) Addresses() map[string]string {
	all := map[string]string{}
	for i, p := range g.parts {
		all[g.opt.Serve[i].Kind] = p.listener.Addr().String()
	}
	return all
}

// Run serves until ctx ends. Requests that are under way then are answered
// within the drain time.
func (g *Gateways) Run(ctx context.Context) error {
	failed := make(chan error, len(g.parts))
	for _, p := range g.parts {
		go func() { failed <- p.serve() }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(g.opt.Drain, time.Nanosecond))
	defer cancel()
	for _, p := range g.parts {
		err = errors.Join(err, p.shutdown(drain))
	}
	return err
}

// Close releases everything. It may be called once.
func (g *Gateways) Close() error {
	var errs []error
	for _, p := range g.parts {
		errs = append(errs, p.http.Close())
		_ = p.listener.Close() // Run may have done it
	}
	if g.intake != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, g.intake.Close(ctx))
	}
	if g.feed != nil {
		g.feed.Close()
	}
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}
