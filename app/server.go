package app

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/gateway/report"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/kube/lead"
	"github.com/brigadecore/brigade/v3/metrics"
	"github.com/brigadecore/brigade/v3/retention"
	"github.com/brigadecore/brigade/v3/source"
)

// ServerOptions say what a server is made of.
type ServerOptions struct {
	Options                  // the installation; Source, Memory and DryNap are not used
	API      Listener        // the API
	Gateways Listener        // what the world may reach
	Gateway  gateway.Options // secrets and keys of the gateways
	Limits   intake.Limits   // of what comes in
	BaseURL  string          // where people reach the API, for links in reports
	// Servers of projects whose repository names none, for reports.
	GitLabURL, GiteaURL string
	// Retention is how long builds are kept where their project does not say.
	Retention brigade.Retention

	MaxBuilds int           // builds running at once; default 16
	Drain     time.Duration // how long builds may go on after the first signal; default 30 s
	Anonymous bool          // processes of this machine need no token for the API
	OpenV1    bool          // v1's routes need no token at all
	Origins   []string      // sites whose pages may use the API
	// OIDC says whose ID tokens the API takes besides its own tokens; without
	// an issuer it takes none.
	OIDC oidc.Options
	// Bucket is where artifacts are kept; without a name it is a directory
	// of this machine.
	Bucket s3.Options
	// Traces is the OpenTelemetry collector that is told of builds and jobs
	// over OTLP/HTTP; empty: nobody is.
	Traces string
	// HostKeys say which SSH servers are cloned from. The zero value asks this
	// user's files; a controller knows none of those.
	HostKeys source.HostKeys
	Proxies  []netip.Prefix // whose X-Forwarded-For is believed
	Version  string         // of the program
}

// Server is a server, put together.
type Server struct {
	*App
	opt       ServerOptions
	intake    *intake.Intake
	schedules *intake.Schedules
	artifacts artifact.Store
	retention *retention.Sweeper
	reports   *report.Reports
	// endStreams ends the API's streams, which would otherwise keep it open.
	endStreams func()
	metrics    *metrics.Metrics
	parts      []*part
	site       site
	decide     intake.Decision // who makes room for builds
}

// site is what differs between a server on one machine and the controller of
// a cluster: where builds are kept, and who runs scripts and jobs.
type site interface {
	// open sets the server's Store, Runner and artifacts.
	open(ctx context.Context, s *Server) error
	// fit changes what the dispatcher is made of.
	fit(ctx context.Context, s *Server, opt *dispatch.Options) error
	// takeOver prepares the builds of before, once everything is made.
	takeOver(ctx context.Context, s *Server)
	// background runs until ctx ends, beside builds.
	background(ctx context.Context, s *Server)
}

// NewServer puts a server together and binds its listeners, so that Addresses
// are known. Call Run, or Close.
func NewServer(ctx context.Context, opt ServerOptions) (*Server, error) {
	if opt.MaxBuilds <= 0 {
		opt.MaxBuilds = 16
	}
	return newServer(ctx, opt, machine{})
}

func newServer(ctx context.Context, opt ServerOptions, where site) (*Server, error) {
	if opt.Drain <= 0 {
		opt.Drain = 30 * time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{App: &App{opt: opt.Options, owner: owner()}, opt: opt, site: where}
	if err := s.wire(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// wire makes the parts, each with what was made before.
func (s *Server) wire(ctx context.Context) error {
	steps := []func(context.Context) error{s.openSite, s.makeFeed, s.makeDispatcher, s.makeIntake, s.makeBackground, s.listen}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) openSite(ctx context.Context) error { return s.site.open(ctx, s) }

// Run serves until ctx ends. Then it takes no more events, lets builds go on
// for the drain time, hands over those that still run, and returns.
func (s *Server) Run(ctx context.Context) error {
	if s.Warning != nil {
		if w := s.Warning(); w != "" {
			s.opt.Log.Warn(w)
		}
	}
	s.site.takeOver(ctx, s)
	failed := make(chan error, len(s.parts))
	for _, p := range s.parts {
		go func() { failed <- p.serve() }()
	}
	queue, stopQueue := context.WithCancel(context.Background())
	defer stopQueue()
	served := make(chan error, 1)
	go func() { served <- s.dispatcher.Serve(queue) }()
	stopClock := s.watchClock()
	defer stopClock()
	background, stopBackground := context.WithCancel(context.Background())
	waitBackground := s.startBackground(background)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	case err = <-served:
		served <- nil
	}
	s.opt.Log.Info("stopping", "builds", s.dispatcher.Running())
	allowed := s.opt.Drain
	if lead.Lost(ctx) {
		allowed = 0 // somebody else runs the builds already
	}
	drain, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	stopQueue()
	if lead.Lost(ctx) {
		s.dispatcher.HandOver()
	}
	s.endStreams()
	for _, p := range s.parts {
		err = errors.Join(err, p.shutdown(drain))
	}
	err = errors.Join(err, <-served)
	s.dispatcher.Shutdown(drain)
	stopBackground()
	waitBackground()
	return err
}

// Kill ends running jobs without grace: the second signal.
func (s *Server) Kill() { s.dispatcher.Kill() }

// Addresses are where the server's parts listen, by name: "api", "gateways".
func (s *Server) Addresses() map[string]string {
	addresses := map[string]string{}
	for _, p := range s.parts {
		addresses[p.name] = p.listener.Addr().String()
	}
	return addresses
}
