package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/brigadecore/brigade/v3/artifact/dir"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/gateway/report"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/metrics"
	"github.com/brigadecore/brigade/v3/retention"
	"github.com/brigadecore/brigade/v3/source"
	"github.com/brigadecore/brigade/v3/store/sqlite"
	"github.com/brigadecore/brigade/v3/trace"
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
	Traces  string
	Proxies []netip.Prefix // whose X-Forwarded-For is believed
	Version string         // of the program
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
}

// NewServer puts a server together and binds its listeners, so that Addresses
// are known. Call Run, or Close.
func NewServer(ctx context.Context, opt ServerOptions) (*Server, error) {
	if opt.MaxBuilds <= 0 {
		opt.MaxBuilds = 16
	}
	if opt.Drain <= 0 {
		opt.Drain = 30 * time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{App: &App{opt: opt.Options}, opt: opt}
	if err := s.wire(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// wire makes the parts, each with what was made before.
func (s *Server) wire(ctx context.Context) error {
	steps := []func(context.Context) error{s.openServerStore, s.chooseServerRunner, s.openArtifacts, s.makeFeed, s.makeDispatcher, s.makeIntake, s.makeBackground, s.listen}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) openServerStore(ctx context.Context) error {
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(s.opt.Dirs.State, "brigade.db"), Now: s.opt.Now, Log: s.opt.Log})
	if err != nil {
		return err
	}
	s.Store = store
	s.onClose("store", store.Close)
	return nil
}

// chooseServerRunner takes the runner that was asked for. Unlike for a
// person's own script, processes of this machine are never a silent choice.
func (s *Server) chooseServerRunner(ctx context.Context) error {
	if s.opt.Runner == "" || s.opt.Runner == "auto" {
		s.App.opt.Runner = "docker"
	}
	err := s.chooseRunner(ctx)
	if brigade.CodeOf(err) == brigade.CodeUnavailable && s.App.opt.Runner == "docker" {
		return fmt.Errorf("a server runs jobs in containers: %w", err)
	}
	return err
}

func (s *Server) openArtifacts(ctx context.Context) error {
	if s.opt.Bucket.Bucket == "" {
		store, err := dir.Open(filepath.Join(s.opt.Dirs.State, "artifacts"))
		s.artifacts = store
		return err
	}
	store, err := s3.Open(s.opt.Bucket)
	if err != nil {
		return err
	}
	s.artifacts = store
	return store.Check(ctx)
}

// makeFeed makes the feed and those who watch all of it: metrics and traces.
func (s *Server) makeFeed(ctx context.Context) error {
	s.metrics = metrics.New(metrics.Options{Version: s.opt.Version, Now: s.opt.Now})
	if err := s.metrics.Prime(ctx, s.Store); err != nil {
		return err
	}
	sinks := append(slices.Clone(s.opt.Watch), s.metrics.Watch)
	if s.opt.Traces != "" {
		exporter, err := trace.New(trace.Options{Endpoint: s.opt.Traces, Build: s.Store.Build, Version: s.opt.Version, Log: s.opt.Log})
		if err != nil {
			return err
		}
		sinks = append(sinks, exporter.Watch)
		s.onClose("traces", func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			return exporter.Close(ctx)
		})
	}
	s.feed = feed.New(feed.Options{Sinks: sinks})
	s.onClose("feed", func() error { s.feed.Close(); return nil })
	return nil
}

func (s *Server) makeDispatcher(context.Context) error {
	var err error
	s.dispatcher, err = dispatch.New(dispatch.Options{
		Store: s.Store, Feed: s.feed, Worker: s.worker(), Runner: s.Runner,
		Source: trees{source.New(source.Options{Clone: true, Optional: true, Strangers: true, Temp: s.sourceDir()})},
		Deps:   s.dependencies(true), Owner: owner(), Grace: s.opt.Grace, MaxJobs: s.opt.MaxJobs, MaxBuilds: s.opt.MaxBuilds,
		Artifacts: s.artifacts, LogCap: s.opt.LogCap, Limits: s.opt.Options.Limits, Env: s.opt.Worker.ScriptEnv, Trace: s.opt.Traces != "",
		Room: roomIn(s.opt.Dirs.State), Patience: patience, Now: s.opt.Now, Log: s.opt.Log,
	})
	return err
}

func (s *Server) makeIntake(context.Context) error {
	var err error
	s.intake, err = intake.New(intake.Options{
		Store: s.Store, Feed: s.feed, Wake: s.dispatcher.Wake, Cancel: s.dispatcher.Cancel,
		Observe: s.metrics.Observe, Remote: remoteOf(s.opt.Proxies), Limits: s.opt.Limits, Now: s.opt.Now, Log: s.opt.Log,
	})
	if err != nil {
		return err
	}
	s.onClose("intake", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return s.intake.Close(ctx)
	})
	return nil
}

// Run serves until ctx ends. Then it takes no more events, lets builds go on
// for the drain time, hands over those that still run, and returns.
func (s *Server) Run(ctx context.Context) error {
	if s.Warning != nil {
		if w := s.Warning(); w != "" {
			s.opt.Log.Warn(w)
		}
	}
	s.adopt(ctx)
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
	drain, cancel := context.WithTimeout(context.Background(), s.opt.Drain)
	defer cancel()
	stopQueue()
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

// makeBackground makes what works beside builds.
func (s *Server) makeBackground(context.Context) error {
	s.schedules = intake.NewSchedules(s.intake)
	s.retention = retention.New(retention.Options{
		Store: s.Store, Artifacts: s.artifacts, Global: s.opt.Retention, Now: s.opt.Now, Log: s.opt.Log,
	})
	var err error
	s.reports, err = report.New(report.Options{
		Store: s.Store, Feed: s.feed, Records: s.Store, Now: s.opt.Now, Log: s.opt.Log,
		Forges: report.Forges{App: s.opt.Gateway.GitHub.App, BaseURL: s.opt.BaseURL, GitLabURL: s.opt.GitLabURL, GiteaURL: s.opt.GiteaURL},
	})
	return err
}

// startBackground starts it, and returns what waits for its end.
func (s *Server) startBackground(ctx context.Context) (wait func()) {
	var all sync.WaitGroup
	all.Go(func() { s.schedules.Run(ctx) })
	all.Go(func() { giveMemoryBack(ctx) })
	all.Go(func() { s.retention.Run(ctx) })
	all.Go(func() {
		if err := s.reports.Run(ctx); err != nil {
			s.opt.Log.Error("report builds to their forges", "err", err)
		}
	})
	return all.Wait
}

// listen binds the listeners.
func (s *Server) listen(ctx context.Context) error {
	world, err := s.intake.Handler(gateway.All(s.opt.Gateway))
	if err != nil {
		return err
	}
	if err := s.bind(ctx, "gateways", s.opt.Gateways, world); err != nil {
		return err
	}
	own, err := s.makeAPI(ctx)
	if err != nil {
		return err
	}
	return s.bind(ctx, "api", s.opt.API, own)
}

// makeAPI makes the API, and at the first start the token of this user.
func (s *Server) makeAPI(ctx context.Context) (http.Handler, error) {
	made, err := api.Bootstrap(ctx, s.Store, filepath.Join(s.opt.Dirs.State, "token"), s.opt.Now())
	if err != nil {
		return nil, err
	}
	if made != "" {
		s.opt.Log.Info("made a token for this user", "file", filepath.Join(s.opt.Dirs.State, "token"))
	}
	access := api.Access{OpenV1: s.opt.OpenV1, Origins: s.opt.Origins, Remote: remoteOf(s.opt.Proxies)}
	if s.opt.Anonymous {
		access.Anonymous = api.ScopeAdmin
	}
	if s.opt.OIDC.Issuer != "" {
		if access.Verifier, err = oidc.New(s.opt.OIDC); err != nil {
			return nil, err
		}
	}
	a, err := api.New(api.Options{
		Store: deletes{s.Store, s.artifacts}, Records: s.Store, Feed: s.feed, Control: control{s}, Schedules: schedules{s.opt.Now},
		Deliveries: s.intake, Artifacts: openArtifacts{s.artifacts}, CheckProject: intake.Check, Metrics: s.metrics.Handler(),
		ProjectsChanged: func() { s.intake.Invalidate(); s.schedules.Wake() },
		Access:          access, Version: s.opt.Version, Now: s.opt.Now, Log: s.opt.Log,
	})
	if err != nil {
		return nil, err
	}
	s.onClose("API", func() error { a.Close(); return nil })
	s.endStreams = a.Close
	return s.withDashboard(a)
}

func (s *Server) bind(ctx context.Context, name string, at Listener, handler http.Handler) error {
	p, err := newPart(ctx, name, at, handler, s.opt.Log)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, p)
	s.onClose(name, func() error {
		if err := p.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}
