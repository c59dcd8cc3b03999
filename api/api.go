// Package api serves projects, builds, jobs and logs over HTTP: the routes of
// Brigade v1 under /v1, our own under /api, both described by openapi.yaml.
// Nothing it answers holds a secret of a project, and every change that is
// asked for is written to the audit log.
//
//	request → headers, CORS → route → who is it, may they → handler → answer or problem → audit
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/internal/option"
	"github.com/brigadecore/brigade/v3/internal/throttle"
)

// Store is what the API needs of a store.
type Store interface {
	brigade.Projects
	brigade.Builds
	brigade.Jobs
	brigade.Logs
}

// Options are the parts an API works with. Store, Records, Feed and Control
// are required; routes whose part is missing answer 503.
type Options struct {
	Store      Store
	Records    brigade.Records
	Feed       brigade.Feed
	Control    brigade.Control
	Schedules  brigade.Timetable
	Deliveries brigade.DeliveryLog
	Artifacts  brigade.ArtifactOpener

	Metrics http.Handler // answers /metrics
	// Ready says what keeps the server from working, besides the store.
	Ready func(ctx context.Context) error
	// CheckProject finds mistakes in a project before it is stored: bad
	// filters, schedules, keys. Its error is answered. It may be nil.
	CheckProject func(p *brigade.Project) error
	// ProjectsChanged is called after a project was changed. It may be nil.
	ProjectsChanged func()

	Access Access
	Limits Limits

	Version string           // of the program
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default none
}

// Limits bound what a client may take. Zero means the default.
type Limits struct {
	Body      int64         // bytes of a request; default 64 MiB for events, 8 MiB for projects, 64 KiB elsewhere
	Large     int           // bodies of more than 1 MiB that are read at once; default 8
	Streams   int           // server-sent event streams at once; default 1000
	Request   time.Duration // longest a request may take that is no stream or download; default 60 s
	Write     time.Duration // longest a client may take to read a part of an answer; default 30 s
	Heartbeat time.Duration // between signs of life of a stream that has nothing to tell; default 15 s
	Poll      time.Duration // between looks into the store for what another process did; default 3 s
	Failures  int           // failed authentications per minute and remote that are answered 401; beyond it is 429; default 30
	AuditAge  time.Duration // how long audit records are kept; default 400 days
}

func (l Limits) withDefaults() Limits {
	option.Default(&l.Large, 8)
	option.Default(&l.Streams, 1000)
	option.Default(&l.Request, time.Minute)
	option.Default(&l.Write, 30*time.Second)
	option.Default(&l.Heartbeat, 15*time.Second)
	option.Default(&l.Poll, 3*time.Second)
	option.Default(&l.Failures, 30)
	option.Default(&l.AuditAge, 400*24*time.Hour)
	return l
}

// API answers requests. Its methods may be called concurrently.
type API struct {
	opt      Options
	mux      *http.ServeMux
	routes   []route
	maskers  *mask.Projects
	failures *throttle.Failures
	used     *lastUsed
	tags     tagger
	large    chan struct{} // slots for large bodies
	streams  chan struct{} // slots for streams
	done     chan struct{} // closed by Close: streams end

	projects sync.Mutex // held while a project is read, changed and written
	close    sync.Once
	prune    pruner
}

// New returns an API, or an error that names what is missing.
func New(o Options) (*API, error) {
	if o.Store == nil || o.Records == nil || o.Feed == nil || o.Control == nil {
		return nil, errors.New("api: Store, Records, Feed and Control are required")
	}
	if err := o.Access.check(); err != nil {
		return nil, err
	}
	o.Limits = o.Limits.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{
		opt: o, mux: http.NewServeMux(),
		failures: throttle.New(o.Limits.Failures),
		used:     newLastUsed(),
		tags:     newTagger(),
		large:    make(chan struct{}, o.Limits.Large),
		streams:  make(chan struct{}, o.Limits.Streams),
		done:     make(chan struct{}),
	}
	a.maskers = mask.NewProjects(o.Store, o.Now)
	a.routes = a.table()
	for _, rt := range a.routes {
		a.mux.Handle(rt.pattern, a.serve(rt))
	}
	return a, nil
}

// Handler returns what answers every route. The server that it is given to
// sets ReadHeaderTimeout, IdleTimeout and MaxHeaderBytes; all other limits are
// kept here.
func (a *API) Handler() http.Handler { return http.HandlerFunc(a.entry) }

// Close ends all streams, so that a server can shut down. Further requests are
// answered, streams at once ended.
func (a *API) Close() { a.close.Do(func() { close(a.done) }) }
