package brigade

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Gateway reads what one kind of sender sends. It decodes and says how the
// request is authenticated; storing the events, and answering only after that,
// is intake's work.
type Gateway interface {
	// Name is the gateway's name in deliveries, metrics and configuration.
	Name() string
	// Routes are the patterns of net/http.ServeMux on which it listens, such
	// as "POST /events/github".
	Routes() []string
	// Read decodes a request. It does not block and does not reach out. An
	// error is a CodeInvalid, CodeTooLarge or CodeDenied one.
	Read(in Inbound) (Reading, error)
}

// Inbound is a request as a gateway sees it. The body was read whole, within
// the limit.
type Inbound struct {
	Route    string // the pattern that matched
	Path     func(name string) string
	Query    url.Values
	Header   http.Header
	Body     []byte
	Received time.Time
}

// Reading is what a gateway made of a request.
type Reading struct {
	// Project is the project the request names, by ID, name or repository, or
	// "" when it names none and goes to whoever subscribes.
	Project string
	// Verify authenticates the request against that project. It compares in
	// constant time and does the same work for every project. It is called
	// with a made-up project when the named one does not exist, so that the
	// two cannot be told apart. nil: the request needs no authentication.
	Verify func(p *Project) error
	// Events are what happened. Their Key identifies them to the sender: a
	// repeat of one is answered with the first build's ID.
	Events []Event
	// Complete, when set, finishes the events once the request is
	// authenticated, for instance by fetching a token. It may reach out. An
	// *IgnoredError says that nothing is to be started although all is well;
	// another error that the request is to be sent again.
	Complete func(ctx context.Context, p *Project, events []Event) ([]Event, error)
	// Ignored says why nothing is started although all is well ("ping").
	Ignored string
	// Answer makes the success answer when it is not the usual one. It is
	// called after the builds were stored, and without any when the request
	// was ignored.
	Answer func(builds []*Build) (status int, body any)
	// Header are further headers of a success answer, such as what a sender
	// wants to see before it sends anything.
	Header http.Header
}

// IgnoredError is what Reading.Complete returns when nothing is to be started
// although all is well: it is answered like Reading.Ignored.
type IgnoredError struct{ Reason string }

// Error returns the reason.
func (e *IgnoredError) Error() string { return e.Reason }

// Delivery is what became of one request to a gateway. It holds no secret:
// paths, queries and headers are cleaned of them.
type Delivery struct {
	ID      string            `json:"id"` // lower-case ULID
	Time    time.Time         `json:"time"`
	Gateway string            `json:"gateway"`
	Route   string            `json:"route"`
	Project string            `json:"project,omitempty"` // as named by the request
	Remote  string            `json:"remote,omitempty"`
	Status  int               `json:"status"` // of the answer
	Outcome Outcome           `json:"outcome"`
	Reason  string            `json:"reason,omitempty"` // in words
	Types   []string          `json:"types,omitempty"`  // of the events
	Builds  []string          `json:"builds,omitempty"`
	Bytes   int               `json:"bytes"`
	Path    map[string]string `json:"path,omitempty"` // wildcards of the route
	Query   url.Values        `json:"query,omitempty"`
	Header  http.Header       `json:"header,omitempty"` // those that say what the event is
	Body    string            `json:"body,omitempty"`   // up to 256 KiB, to be redelivered
}

// Outcome is what became of a delivery.
type Outcome string

// The outcomes.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeRepeat   Outcome = "repeat"
	OutcomeIgnored  Outcome = "ignored"
	OutcomeRefused  Outcome = "refused"
	OutcomeFailed   Outcome = "failed" // on our side: it should be sent again
)

// Reporter tells the place an event came from how its build goes: a check run,
// a commit status. It is told of every change of a build's state.
type Reporter interface {
	// Reports says whether the event came from the reporter's place.
	Reports(e *Event) bool
	// Report passes the build's state on. It may be called again with the
	// same state.
	Report(ctx context.Context, p *Project, b *Build, jobs []*Job) error
}
