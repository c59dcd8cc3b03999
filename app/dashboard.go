package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/web"
)

// withDashboard puts the dashboard beside the API: what the API does not
// answer is a page. It has the parts of s that the API has, whatever store
// and runner these are.
func (s *Server) withDashboard(a *api.API) (http.Handler, error) {
	opt := web.Options{
		Store: s.Store, Records: s.Store, Feed: s.feed, Control: control{s}, Auth: pageAuth{a},
		Schedules: schedules{s.opt.Now}, Artifacts: openArtifacts{s.artifacts}, Deliveries: s.intake,
		Audit:  func(ctx context.Context, act web.Action) { a.Audit(ctx, entryOf(act)) },
		Remote: remoteOf(s.opt.Proxies), BaseURL: s.opt.BaseURL, Secure: s.opt.API.CertFile != "" || strings.HasPrefix(s.opt.BaseURL, "https://"),
		Version: s.opt.Version, Now: s.opt.Now, Log: s.opt.Log,
	}
	if s.opt.OIDC.Issuer != "" {
		signIn, err := oidc.NewSignIn(s.opt.OIDC)
		if err != nil {
			return nil, err
		}
		if signIn != nil {
			opt.SignIn = signIn
		}
	}
	dashboard, err := web.New(opt)
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
	id := &web.Identity{
		Name: who.Name, Kind: who.Kind, Read: who.May(api.ScopeRead), Act: who.May(api.ScopeEventCreate), Admin: who.May(api.ScopeAdmin),
		Expires: who.Expires,
	}
	if who.Limited() {
		id.Sees = who.Sees
	}
	return id
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
