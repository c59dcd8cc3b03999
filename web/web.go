// Package web serves the dashboard: projects, builds as waterfalls of their
// jobs, logs, and the buttons to run, cancel and rerun. Pages are rendered
// here and complete without a script; the little JavaScript that comes along
// keeps them up to date. Nothing is fetched from any other host, and nothing
// shown holds a secret of a project.
//
//	request → headers → route → who is it → page → answer, or a stream of the page's changes
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/internal/option"
	"github.com/brigadecore/brigade/v3/internal/throttle"
)

// Store is what the dashboard needs of a store.
type Store interface {
	brigade.Projects
	brigade.Builds
	brigade.Jobs
	brigade.Logs
}

// Identity is who looks at the dashboard, and what they may do.
type Identity struct {
	Name    string
	Kind    string // how they are known, such as token or oidc
	Read    bool   // may look at all that Sees allows
	Act     bool   // may run events, rerun and cancel builds
	Admin   bool   // may do everything, such as redeliver requests
	Expires time.Time
	// Sees reports whether they may see the project with that ID and name;
	// nil: all of them.
	Sees func(projectID, project string) bool
}

func (i *Identity) sees(projectID, project string) bool {
	return i.Sees == nil || i.Sees(projectID, project)
}

// Auth knows who somebody is.
type Auth interface {
	// Authenticate returns whose token it is: CodeDenied when it is not
	// accepted, CodeUnavailable when nobody can tell now. It is asked again
	// every few seconds while a session is in use, so that a token that is
	// revoked ends it.
	Authenticate(ctx context.Context, token string) (*Identity, error)
	// Anonymous returns what the sender of r may do without a token, and nil
	// when that is nothing.
	Anonymous(r *http.Request) *Identity
}

// Action is something that somebody changed here, or tried to.
type Action struct {
	Actor   string
	Kind    string // event.create, build.rerun, build.cancel, job.cancel, delivery.redeliver, session.create, session.end
	Project string
	Target  string // the build or job
	Remote  string
	Err     error // why it was refused or failed; nil: it was done
}

// Options are the parts a dashboard works with. Store, Feed, Control and Auth
// are required; what needs another part is not shown without it.
type Options struct {
	Store     Store
	Feed      brigade.Feed
	Control   brigade.Control
	Auth      Auth
	Schedules brigade.Timetable
	Artifacts brigade.ArtifactOpener
	// Deliveries are the requests to gateways.
	Deliveries brigade.DeliveryLog
	// Records keep sessions, so that a restart ends none. nil: they end with
	// the program.
	Records brigade.Records
	// SignIn lets people in who are known elsewhere; nil: a token is needed.
	SignIn SignIn
	// BaseURL is the address under which people reach the dashboard, such as
	// https://ci.example.org; "": the one that they used.
	BaseURL string
	// Audit is told of what was changed. It may be nil.
	Audit func(ctx context.Context, a Action)
	// Remote says who sent a request, when that is not the address of the
	// connection.
	Remote func(r *http.Request) string
	// Secure says that people reach the dashboard over TLS although the
	// connections to it are plain: cookies are sent back over TLS only.
	Secure bool

	Limits  Limits
	Version string           // of the program
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default none
}

// Limits bound what a client may take. Zero means the default.
type Limits struct {
	Sessions  int           // at once; beyond it the one unused for longest ends; default 1000
	Idle      time.Duration // how long a session lasts that nobody uses; default 12 h
	Session   time.Duration // longest a session lasts; default 7 days
	Recheck   time.Duration // how long a token that was accepted is not looked at again; default 15 s
	Failures  int           // failed logins per minute and remote; default 10
	Streams   int           // live pages at once; default 500
	Request   time.Duration // longest a request may take that is no stream or download; default 30 s
	Write     time.Duration // longest a client may take to read a part of an answer; default 30 s
	Pace      time.Duration // shortest time between two changes of a live page; default 250 ms
	Poll      time.Duration // between looks into the store for what another process did; default 5 s
	Heartbeat time.Duration // between signs of life of a stream that has nothing to tell; default 15 s
}

func (l Limits) withDefaults() Limits {
	option.Default(&l.Sessions, 1000)
	option.Default(&l.Idle, 12*time.Hour)
	option.Default(&l.Session, 7*24*time.Hour)
	option.Default(&l.Recheck, 15*time.Second)
	option.Default(&l.Failures, 10)
	option.Default(&l.Streams, 500)
	option.Default(&l.Request, 30*time.Second)
	option.Default(&l.Write, 30*time.Second)
	option.Default(&l.Pace, 250*time.Millisecond)
	option.Default(&l.Poll, 5*time.Second)
	option.Default(&l.Heartbeat, 15*time.Second)
	return l
}

// Web answers requests of browsers. Its methods may be called concurrently.
type Web struct {
	opt       Options
	mux       *http.ServeMux
	templates *template.Template
	assets    *assets
	sessions  *sessions
	failures  *throttle.Failures
	hiders    *mask.Projects
	key       [32]byte      // of the tokens in forms
	streams   chan struct{} // slots for streams
	done      chan struct{} // closed by Close: streams end
	close     sync.Once
}

// New returns a dashboard, or an error that names what is missing.
func New(o Options) (*Web, error) {
	if o.Store == nil || o.Feed == nil || o.Control == nil || o.Auth == nil {
		return nil, errors.New("web: Store, Feed, Control and Auth are required")
	}
	o.Limits = o.Limits.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Web{
		opt: o, mux: http.NewServeMux(),
		sessions: newSessions(o.Limits, o.Records),
		failures: throttle.New(o.Limits.Failures),
		streams:  make(chan struct{}, o.Limits.Streams),
		done:     make(chan struct{}),
	}
	w.hiders = mask.NewProjects(o.Store, o.Now)
	if _, err := rand.Read(w.key[:]); err != nil {
		return nil, err
	}
	var err error
	if w.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if w.templates, err = w.parseTemplates(); err != nil {
		return nil, err
	}
	w.routes()
	return w, nil
}

// Handler returns what answers every route. The server that it is given to
// sets ReadHeaderTimeout, IdleTimeout and MaxHeaderBytes.
func (w *Web) Handler() http.Handler { return http.HandlerFunc(w.entry) }

// Close ends all streams, so that a server can shut down. Further requests are
// answered, streams at once ended.
func (w *Web) Close() { w.close.Do(func() { close(w.done) }) }

// routes lists every address.
func (w *Web) routes() {
	page := func(pattern string, make pageFunc) { w.mux.Handle(pattern, w.page(make)) }
	form := func(pattern, kind string, do func(*call) (string, error)) { w.mux.Handle(pattern, w.form(kind, do)) }

	w.mux.Handle("GET /assets/{hash}/{name}", http.HandlerFunc(w.assets.serve))
	w.mux.Handle("GET /favicon.ico", http.RedirectHandler(w.assets.path("icon.svg"), http.StatusFound))
	w.mux.Handle("GET /login", w.open(showLogin))
	w.mux.Handle("POST /login", w.open(login))
	w.mux.Handle("POST /logout", w.open(logout))
	w.mux.Handle("GET "+signInPath, w.open(startSignIn))
	w.mux.Handle("GET "+returnPath, w.open(finishSignIn))
	page("GET /sessions", sessionsPage)
	w.mux.Handle("POST /sessions/end", w.ownForm("session.end", endSession))

	page("GET /{$}", overview)
	page("GET /builds", allBuilds)
	page("GET /projects/{project...}", projectPage)
	form("POST /projects/{project...}", "event.create", runEvent)

	plain := func(pattern string, do func(*call) error) { w.mux.Handle(pattern, w.known(do)) }
	w.mux.Handle("GET "+badgePath+"{project...}", w.open(badge))

	page("GET /deliveries", allDeliveries)
	page("GET /deliveries/{delivery}", deliveryDetails)
	form("POST /deliveries/{delivery}/redeliver", "delivery.redeliver", redeliver)

	page("GET /builds/{build}", buildPage)
	page("GET /builds/{build}/event", eventPage)
	page("GET /builds/{build}/script", scriptPage)
	plain("GET /builds/{build}/payload", payloadFile)
	form("POST /builds/{build}/cancel", "build.cancel", cancelBuild)
	form("POST /builds/{build}/rerun", "build.rerun", rerunBuild)

	for _, log := range []string{"/builds/{build}/log", "/builds/{build}/jobs/{job}"} {
		page("GET "+log, logPage)
		plain("GET "+log+"/lines", logLines)
		plain("GET "+log+"/search", logSearch)
		plain("GET "+log+"/sections", logSections)
		plain("GET "+log+"/text", logText)
	}
	form("POST /builds/{build}/jobs/{job}/cancel", "job.cancel", cancelJob)
	plain("GET /builds/{build}/jobs/{job}/artifacts/{name...}", artifactFile)

	w.mux.Handle("/", w.open(func(*call) error {
		return &brigade.Error{Code: brigade.CodeNotFound, Message: "there is nothing at this address"}
	}))
}
