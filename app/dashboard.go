package app

import (
	"context"
	"errors"
	"net/http"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/web"
)

// withDashboard puts the dashboard beside the API: what the API does not
// answer is a page.
func (s *Server) withDashboard(a *api.API) (http.Handler, error) {
	dashboard, err := web.New(web.Options{
		Store: s.Store, Feed: s.feed, Control: pageControl{control{s}}, Auth: pageAuth{a},
		Schedules: schedules{s.opt.Now}, Artifacts: openArtifacts{s.artifacts},
		Audit:  func(ctx context.Context, act web.Action) { a.Audit(ctx, entryOf(act)) },
		Remote: remoteOf(s.opt.Proxies), Secure: s.opt.API.CertFile != "", Version: s.opt.Version, Now: s.opt.Now, Log: s.opt.Log,
	})
	if err != nil {
		return nil, err
	}
	closeAPI := s.endStreams
	s.endStreams = func() { closeAPI(); dashboard.Close() }
	s.onClose("dashboard", func() error { dashboard.Close(); return nil })
	mux := http.NewServeMux()
	for _, path := range []string{"/api/", "/v1/", "/healthz", "/readyz", "/metrics", "/apidocs.json"} {
		mux.Handle(path, a.Handler())
	}
	mux.Handle("/", dashboard.Handler())
	return mux, nil
}

// pageControl is what the dashboard may do: the same as the API.
type pageControl struct{ control }

func (c pageControl) Submit(ctx context.Context, p *brigade.Project, e brigade.Event, sub web.Submission) (*brigade.Build, bool, error) {
	return c.control.Submit(ctx, p, e, api.Submission(sub))
}

// pageAuth lets into the dashboard who may use the API.
type pageAuth struct{ api *api.API }

func (p pageAuth) Authenticate(ctx context.Context, token string) (*web.Identity, error) {
	who, err := p.api.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	return identityOf(who), nil
}

func (p pageAuth) Anonymous(r *http.Request) *web.Identity {
	if who := p.api.Anonymous(r); who != nil {
		return identityOf(who)
	}
	return nil
}

func identityOf(who *api.Identity) *web.Identity {
	return &web.Identity{
		Name: who.Name, Read: who.May(api.ScopeRead), Act: who.May(api.ScopeEventCreate), Expires: who.Expires, Sees: who.Sees,
	}
}

// entryOf is what was done on a page, as the audit log has it.
func entryOf(act web.Action) api.AuditEntry {
	e := api.AuditEntry{
		Actor: act.Actor, Kind: "web", Action: act.Kind, Project: act.Project, Target: act.Target,
		Remote: act.Remote, Status: http.StatusOK,
	}
	if act.Err != nil {
		e.Code, e.Reason = brigade.CodeOf(act.Err), act.Err.Error()
		e.Status = e.Code.HTTPStatus()
		var known *brigade.Error
		if errors.As(act.Err, &known) {
			e.Reason = known.Message
		}
	}
	return e
}
