// Package intake stands between the gateways and the store: what comes in
// becomes stored builds, and none is ever lost. It authenticates a request
// that a gateway has read, finds the projects that take its events, stores a
// build for each, and answers only after that. It starts builds by the clock
// as well. What a sender repeats is recognised and starts nothing.
//
//	request → gateway.Read → verify → match projects → complete → store → answer → delivery log
package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/filter"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// Store is what intake needs of a store.
type Store interface {
	brigade.Projects
	brigade.Builds
	brigade.Records
}

// Options are the parts an Intake works with. Store and Feed are required.
type Options struct {
	Store Store
	Feed  brigade.Feed
	// Wake is called after a build was stored that may be started; it must
	// not block. nil: whoever starts builds looks by itself.
	Wake func()
	// Cancel makes a running build end at once, and reports whether this
	// process runs it. The request is in the store by then, so that another
	// process finds it. nil: it is only stored.
	Cancel func(buildID string, req brigade.CancelRequest) bool
	// Decide says who makes room for builds that share a limit; default this
	// process, before it answers.
	Decide Decision
	// Observe is told of every answered request and how long it took, for
	// metrics; it must not block.
	Observe func(d brigade.Delivery, took time.Duration)
	// Audit writes down what a person did. nil: a record of kind "audit".
	Audit func(ctx context.Context, e AuditEntry) error
	// Remote says who sent a request, for limits and the delivery log. nil:
	// the address of the connection, which is the proxy's behind a proxy.
	Remote Remote
	Limits Limits
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default none
}

// Limits bound what comes in. Zero means the default.
type Limits struct {
	Body     int64         // bytes of a request, uncompressed; default brigade.MaxPayloadBytes
	Batch    int           // events in one request; default 1000
	Events   int           // accepted per minute and project, unless the project says otherwise; default 60000
	Refused  int           // refused requests per minute and remote that are answered 401 and written down; beyond it is 429; default 300
	Large    int           // requests of more than 1 MiB handled at once; default 8
	Read     time.Duration // for a request to arrive; default 30 s
	Complete time.Duration // for a gateway to complete events; default 8 s, as GitHub waits 10 s
	Store    time.Duration // for storing a request's builds; default 10 s
	Repeats  time.Duration // how long a repeat of an event is recognised, at least; default 7 days
	// The delivery log keeps at most that many (default 10000), that old
	// (default 30 days), with bodies of that many bytes together (default
	// 64 MiB).
	Deliveries    int
	DeliveryAge   time.Duration
	DeliveryBytes int64
}

func (l Limits) withDefaults() Limits {
	fill(&l.Body, brigade.MaxPayloadBytes)
	fill(&l.Batch, 1000)
	fill(&l.Events, 60_000)
	fill(&l.Refused, 300)
	fill(&l.Large, 8)
	fill(&l.Read, 30*time.Second)
	fill(&l.Complete, 8*time.Second)
	fill(&l.Store, 10*time.Second)
	fill(&l.Repeats, 7*24*time.Hour)
	fill(&l.Deliveries, 10_000)
	fill(&l.DeliveryAge, 30*24*time.Hour)
	fill(&l.DeliveryBytes, 64<<20)
	return l
}

func fill[T int | int64 | time.Duration](v *T, by T) {
	if *v <= 0 {
		*v = by
	}
}

// Intake makes stored builds of what comes in. Its methods may be called
// concurrently.
type Intake struct {
	opt     Options
	filters *filter.Set
	catalog *catalog
	lanes   *lanes
	log     *deliveryLog
	stats   *counters
	madeUp  brigade.Project // stands in for a project that does not exist
	large   chan struct{}   // slots for large bodies
	perMin  *buckets        // accepted events, by project
	refused *buckets        // refused requests, by remote

	arrivals arrivals

	mu       sync.Mutex
	gateways map[string]brigade.Gateway // that Handler was given, by name
	onChange []func()                   // are called when projects changed
}

// New returns an Intake, or an error that names the missing part. Close it.
func New(o Options) (*Intake, error) {
	if o.Store == nil || o.Feed == nil {
		return nil, errors.New("intake: Store and Feed are required")
	}
	o.Limits = o.Limits.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Remote == nil {
		o.Remote = connection
	}
	filters, err := filter.New()
	if err != nil {
		return nil, err
	}
	stats := newCounters()
	in := &Intake{
		opt: o, filters: filters, stats: stats, madeUp: madeUp(),
		catalog:  newCatalog(o.Store, o.Now),
		lanes:    newLanes(o.Store, o.Now, o.Decide),
		log:      newDeliveryLog(o, stats),
		large:    make(chan struct{}, o.Limits.Large),
		perMin:   newBuckets(),
		refused:  newBuckets(),
		gateways: map[string]brigade.Gateway{},
	}
	return in, nil
}

// Close waits until every delivery is written down, or ctx ends. Call it when
// no request is handled any more, and nothing arrives.
func (in *Intake) Close(ctx context.Context) error {
	in.arrivals.busy.Wait()
	return in.log.close(ctx)
}

// Invalidate makes the next event see the projects as they are in the store
// now. Call it after a project was changed; otherwise changes are seen within
// a few seconds.
func (in *Intake) Invalidate() {
	in.catalog.invalidate()
	in.mu.Lock()
	hooks := in.onChange
	in.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}

// Submission is an event for one project.
type Submission struct {
	Project *brigade.Project
	Event   brigade.Event
	Actor   string // who caused it, for people; default the event's
	RerunOf string // the build it repeats
	Inherit bool   // jobs that succeeded in RerunOf count as done

	id string // of the build; default a new one
}

// Submit stores a build for the event and returns it once it is safe. When
// the event has a key and a build of the project has it already, that one is
// returned, and repeat is true. A build that the project's concurrency does
// not allow is stored as canceled, unless Options.Decide leaves that for later.
// Errors are CodeInvalid and CodeTooLarge,
// which are about the event, and those of the store.
func (in *Intake) Submit(ctx context.Context, s Submission) (build *brigade.Build, repeat bool, err error) {
	return in.submit(ctx, s, 0)
}

// submit is Submit that takes a build older than window (0: ever) for no repeat.
func (in *Intake) submit(ctx context.Context, s Submission, window time.Duration) (*brigade.Build, bool, error) {
	draft, err := in.draft(ctx, s)
	if err != nil {
		return nil, false, err
	}
	turn, err := in.lanes.enter(ctx, draft, s.Project)
	if err != nil {
		return nil, false, fmt.Errorf("look at builds that share a limit: %w", err)
	}
	stored, err := in.create(ctx, draft, window)
	if err != nil {
		turn.leave()
		return nil, false, err
	}
	if stored.ID != draft.ID {
		turn.leave()
		stored.Project = cmp.Or(stored.Project, s.Project.Name) // of a deleted build little is known
		return stored, true, nil
	}
	told := *stored
	in.publish(&told)
	if !stored.State.Ended() {
		in.settle(ctx, turn)
		in.Arrived(ctx, stored)
		if in.opt.Wake != nil {
			in.opt.Wake()
		}
	}
	return stored, false, nil
}

// draft makes the build that is to be stored.
func (in *Intake) draft(ctx context.Context, s Submission) (*brigade.Build, error) {
	if s.Project == nil || s.Project.ID == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "an event needs a project")
	}
	e := s.Event
	if s.Actor != "" {
		e.Actor = s.Actor
	}
	if err := cleanEvent(&e); err != nil {
		return nil, err
	}
	now := in.opt.Now().UTC()
	b := &brigade.Build{
		ID: id.New(now), ProjectID: s.Project.ID, Project: s.Project.Name, Event: e,
		State: brigade.StatePending, Created: now, RerunOf: s.RerunOf, Inherit: s.Inherit,
		Priority: s.Project.Priorities[e.Type],
	}
	if s.id != "" {
		b.ID = s.id
	}
	key, note := concurrencyKey(ctx, in.filters, s.Project, &e)
	b.ConcurrencyKey = key
	b.History = []brigade.Step{{State: b.State, Time: now, Note: note}}
	return b, nil
}

// Bounds of an event's texts, in bytes.
const (
	maxName  = 256
	maxRef   = 1024
	maxKey   = 1024
	maxTitle = 4 << 10
	maxURL   = 4 << 10
)

// cleanEvent checks the event and cuts what is only for people.
func cleanEvent(e *brigade.Event) error {
	switch {
	case e.Provider == "" || e.Type == "":
		return brigade.Errorf(brigade.CodeInvalid, "an event needs a provider and a type")
	case len(e.Payload) > brigade.MaxPayloadBytes:
		return brigade.Errorf(brigade.CodeTooLarge, "the payload has %d bytes, more than %d", len(e.Payload), brigade.MaxPayloadBytes)
	case len(e.Script) > brigade.MaxScriptBytes || len(e.Config) > brigade.MaxScriptBytes:
		return brigade.Errorf(brigade.CodeTooLarge, "the script or its configuration has more than %d bytes", brigade.MaxScriptBytes)
	case !e.LogLevel.Valid():
		return brigade.Errorf(brigade.CodeInvalid, "there is no log level %q", e.LogLevel)
	}
	for _, t := range []struct {
		name string
		text string
		most int
	}{
		{"provider", e.Provider, maxName}, {"type", e.Type, maxName}, {"key", e.Key, maxKey},
		{"commit", e.Revision.Commit, maxRef}, {"ref", e.Revision.Ref, maxRef}, {"script's ref", e.ScriptRef, maxRef},
		{"clone URL", e.CloneURL, maxURL}, {"script's name", e.ScriptFile, maxRef},
	} {
		if len(t.text) > t.most {
			return brigade.Errorf(brigade.CodeInvalid, "the %s of the event has %d bytes, more than %d", t.name, len(t.text), t.most)
		}
		if strings.ContainsFunc(t.text, unprintable) {
			return brigade.Errorf(brigade.CodeInvalid, "the %s of the event holds control characters, or bytes that are no text", t.name)
		}
	}
	if len(e.Also) > 100 {
		return brigade.Errorf(brigade.CodeInvalid, "the event has %d further names, more than 100", len(e.Also))
	}
	for _, name := range e.Also {
		if name == "" || len(name) > maxName || strings.ContainsFunc(name, unprintable) {
			return brigade.Errorf(brigade.CodeInvalid, "%q is no name of an event", cut(name, maxName))
		}
	}
	if !traceParent.MatchString(e.TraceParent) {
		e.TraceParent = "" // it is only for those who follow traces
	}
	e.ShortTitle, e.LongTitle, e.Actor = cut(e.ShortTitle, maxTitle), cut(e.LongTitle, maxTitle), cut(e.Actor, maxName)
	return nil
}

// unprintable reports whether r is a control character, or stands for bytes
// that are no text.
func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }

// cut returns at most n bytes of a text, as valid UTF-8.
func cut(text string, n int) string {
	if len(text) > n {
		text = text[:n]
	}
	return strings.ToValidUTF8(text, "")
}

// maxAncestors bounds how many builds of one key are gone through.
const maxAncestors = 64

// create stores the draft. A build with its key that is older than window does
// not count: the key is then made of that build's, so that those who repeat
// the event at the same time come to the same one.
func (in *Intake) create(ctx context.Context, draft *brigade.Build, window time.Duration) (*brigade.Build, error) {
	key := draft.Event.Key
	for n := 0; ; n++ {
		stored, err := in.opt.Store.CreateBuild(ctx, draft)
		if err != nil {
			return nil, fmt.Errorf("store the build: %w", err)
		}
		old := stored.ID != draft.ID && window > 0 && draft.Created.Sub(stored.Created) > window
		if !old || n == maxAncestors {
			return stored, nil
		}
		draft.Event.Key = cut(key, maxKey) + "@" + stored.ID
	}
}

func (in *Intake) publish(b *brigade.Build) {
	in.opt.Feed.Publish(brigade.Change{Time: in.opt.Now(), BuildID: b.ID, Build: b})
}
