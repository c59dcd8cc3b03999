package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/gateway/report"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/metrics"
	"github.com/brigadecore/brigade/v3/retention"
	"github.com/brigadecore/brigade/v3/source"
	"github.com/brigadecore/brigade/v3/trace"
)

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

// cloneTries is how often a clone is tried that the network breaks.
const cloneTries = 5

func (s *Server) makeDispatcher(ctx context.Context) error {
	opt := dispatch.Options{
		Store: s.Store, Feed: s.feed, Worker: s.worker(), Runner: s.Runner,
		Source: trees{source.New(source.Options{
			Clone: true, Optional: true, Strangers: true, Temp: s.sourceDir(), HostKeys: s.opt.HostKeys, Retry: source.Retry{Tries: cloneTries, Pause: time.Second},
		})},
		Deps: s.dependencies(true), Owner: s.owner, Grace: s.opt.Grace, MaxJobs: s.opt.MaxJobs, MaxBuilds: s.opt.MaxBuilds,
		Artifacts: s.artifacts, LogCap: s.opt.LogCap, Limits: s.opt.Options.Limits, Env: s.opt.Worker.ScriptEnv, Trace: s.opt.Traces != "",
		Room: roomIn(s.opt.Dirs.State), Patience: patience, Now: s.opt.Now, Log: s.opt.Log,
	}
	err := s.site.fit(ctx, s, &opt)
	if err != nil {
		return err
	}
	s.dispatcher, err = dispatch.New(opt)
	return err
}

func (s *Server) makeIntake(context.Context) error {
	var err error
	s.intake, err = intake.New(intake.Options{
		Store: s.Store, Feed: s.feed, Wake: s.dispatcher.Wake, Cancel: s.dispatcher.Cancel, Decide: s.decide,
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
	all.Go(func() { s.site.background(ctx, s) })
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
	if s.opt.Gateways.Address != "" {
		if err := s.bind(ctx, "gateways", s.opt.Gateways, world); err != nil {
			return err
		}
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
