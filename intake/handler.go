package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// Handler returns the handler of the public listener: every gateway's routes,
// and GET /healthz. It fails when routes contradict each other.
//
// Answers are JSON. An accepted request is answered 202 with
// {"builds": [IDs]}, a repeat 200 with the first builds' IDs and
// {"repeat": true}, one that starts nothing 200 with {"ignored": why}, unless
// the gateway has answers of its own; the header Brigade-Builds names the builds
// in any case. Whatever is wrong is answered {"error": what}.
// Failures of ours are 503 with Retry-After. Unknown projects, wrong secrets
// and bad signatures are all the same 401.
func (in *Intake) Handler(gateways []brigade.Gateway) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK\n"))
	})
	for _, gw := range gateways {
		for _, route := range gw.Routes() {
			if err := handle(mux, route, func(w http.ResponseWriter, r *http.Request) { in.serve(w, r, gw, route) }); err != nil {
				return nil, fmt.Errorf("gateway %s: %w", gw.Name(), err)
			}
		}
		in.mu.Lock()
		in.gateways[gw.Name()] = gw
		in.mu.Unlock()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			notRouted(mux, w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// handle registers a route. The mux panics about one that it does not like.
func handle(mux *http.ServeMux, route string, h http.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("route %q: %v", route, p)
		}
	}()
	mux.HandleFunc(route, h)
	return nil
}

// notRouted answers 404 or 405, whichever the mux means, in JSON.
func notRouted(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	status := statusOnly{header: w.Header(), status: http.StatusNotFound}
	mux.ServeHTTP(&status, r)
	if status.status == http.StatusMethodNotAllowed {
		write(w, answer{status: status.status, body: failure{"this method is not allowed here"}})
		return
	}
	w.Header().Del("Location") // of a cleaner path, where nothing is either
	write(w, answer{status: http.StatusNotFound, body: failure{"there is nothing here"}})
}

// statusOnly is a ResponseWriter that drops the body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(code int)        { s.status = code }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }

// answer is what a sender gets.
type answer struct {
	status int
	body   any
	header http.Header   // a gateway's own; ours go before it
	retry  time.Duration // after which the sender may try again; 0: not said
}

type failure struct {
	Error string `json:"error"`
}

// refusal is the one answer to everything that is not authentic.
var refusal = answer{status: http.StatusUnauthorized, body: failure{"the project is unknown or the credentials are wrong"}}

// retryLater is when a sender should repeat what failed on our side.
const retryLater = 10 * time.Second

func write(w http.ResponseWriter, a answer) {
	h := w.Header()
	for name, values := range a.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retry.Seconds()))))
	}
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	data := []byte(nil)
	if a.body != nil {
		var err error
		if data, err = json.Marshal(a.body); err != nil { // a gateway's own answer that is no JSON
			a.status, data = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
		}
		data = append(data, '\n')
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(data)
}

// visit is one request on its way, or a delivery that is run again.
type visit struct {
	gateway   brigade.Gateway
	inbound   brigade.Inbound
	redeliver bool // an administrator wants it: neither verified nor limited
	again     bool // redeliver, although its builds were started once
	actor     string
	delivery  brigade.Delivery
}

// serve takes one request from its body to its answer.
func (in *Intake) serve(w http.ResponseWriter, r *http.Request, gw brigade.Gateway, route string) {
	begun := time.Now()
	now := in.opt.Now()
	query := r.URL.Query()
	v := &visit{gateway: gw, delivery: brigade.Delivery{
		ID: id.New(now), Time: now.UTC(), Gateway: gw.Name(), Route: route, Remote: cut(in.opt.Remote(r), maxKept),
		Path: keepPath(route, r.PathValue), Query: keepQuery(query), Header: keepHeader(r.Header),
	}}
	v.delivery.Project = projectIn(v.delivery.Path) // until it is read
	v.inbound = brigade.Inbound{Route: route, Path: r.PathValue, Query: query, Header: r.Header, Received: now}
	body, done, err := in.readBody(w, r)
	defer done()
	v.inbound.Body = body
	// From here on the sender's hanging up changes nothing any more.
	ctx := context.WithoutCancel(r.Context())
	var a answer
	if err != nil {
		a = in.fail(v, err)
		if a.status/100 == 4 {
			w.Header().Set("Connection", "close") // the rest of the body is not worth reading
		}
	} else {
		a = in.process(ctx, v)
	}
	in.finish(v, &a, begun)
	write(w, a)
}

// finish counts the delivery and has it written down.
func (in *Intake) finish(v *visit, a *answer, begun time.Time) {
	d := &v.delivery
	limited := false
	if d.Outcome == brigade.OutcomeRefused && !v.redeliver {
		if wait := in.refused.take(d.Remote, 1, in.opt.Limits.Refused, in.opt.Now()); wait > 0 {
			*a = answer{status: http.StatusTooManyRequests, body: failure{"too many requests were refused"}, retry: wait}
			limited = true
		}
	}
	d.Status, d.Reason = a.status, cut(d.Reason, maxTitle)
	in.stats.count(d.Gateway, d.Outcome)
	if limited {
		in.stats.limited.Add(1)
		in.stats.unlogged.Add(1)
	} else {
		in.log.add(*d)
	}
	if in.opt.Observe != nil {
		in.opt.Observe(*d, time.Since(begun))
	}
}

// process takes a request that was read to its answer. A panic of a gateway is
// an answer, too.
func (in *Intake) process(ctx context.Context, v *visit) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			// Neither the value nor the stack: both may hold what was sent.
			in.opt.Log.Error("a gateway panicked", "gateway", v.gateway.Name(), "route", v.delivery.Route, "at", panicAt(), "type", fmt.Sprintf("%T", p))
			v.delivery.Outcome, v.delivery.Reason = brigade.OutcomeFailed, "internal error"
			a = answer{status: http.StatusInternalServerError, body: failure{"internal error"}}
		}
	}()
	d := &v.delivery
	d.Bytes = len(v.inbound.Body)
	d.Body = keepBody(v.inbound.Body, v.inbound.Header.Get("Content-Type"))
	reading, err := v.gateway.Read(v.inbound)
	if err != nil {
		return in.fail(v, err)
	}
	d.Project, d.Types = cut(reading.Project, maxKept), typesOf(reading.Events)
	if len(reading.Events) > in.opt.Limits.Batch {
		return in.fail(v, brigade.Errorf(brigade.CodeTooLarge, "the request has %d events, more than %d", len(reading.Events), in.opt.Limits.Batch))
	}
	if len(reading.Events) == 0 && reading.Ignored == "" {
		reading.Ignored = "there is no event in it"
	}
	if reading.Ignored != "" && reading.Project == "" {
		return ignore(v, &reading, reading.Ignored)
	}
	to, err := in.recipients(ctx, &reading, v.redeliver)
	switch {
	case err != nil:
		return in.fail(v, err)
	case to.refused != nil:
		d.Outcome, d.Reason = brigade.OutcomeRefused, to.refused.Error()
		return refusal
	case reading.Ignored != "":
		return ignore(v, &reading, reading.Ignored)
	case len(to.targets) == 0:
		return ignore(v, &reading, joined("no project subscribes to it", to.notes))
	}
	return in.deliver(ctx, v, &reading, to)
}

// panicAt names the function that panicked.
func panicAt() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") || !more {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
	}
}

func joined(first string, more []string) string {
	return strings.Join(append([]string{first}, more...), "; ")
}

func ignore(v *visit, r *brigade.Reading, why string) answer {
	v.delivery.Outcome, v.delivery.Reason = brigade.OutcomeIgnored, why
	a := answer{status: http.StatusOK, body: map[string]string{"ignored": why}}
	return a.or(r, nil)
}

// fail makes the answer to an error: what is wrong with the request is 4xx,
// what is wrong with us 503, so that it is sent again.
func (in *Intake) fail(v *visit, err error) answer {
	var e *brigade.Error
	if !errors.As(err, &e) {
		e = &brigade.Error{Code: brigade.CodeInternal, Message: "internal error", Err: err}
	}
	v.delivery.Outcome, v.delivery.Reason = brigade.OutcomeRefused, e.Message
	switch e.Code {
	case brigade.CodeInvalid, brigade.CodeUsage, brigade.CodeTooLarge, brigade.CodeLimited:
		a := answer{status: e.Code.HTTPStatus(), body: failure{e.Message}}
		if errors.Is(err, errEncoding) {
			a.status = http.StatusUnsupportedMediaType
		}
		return a
	case brigade.CodeDenied, brigade.CodeNotFound:
		return refusal
	}
	v.delivery.Outcome = brigade.OutcomeFailed
	v.delivery.Reason = err.Error()
	in.opt.Log.Error("an event could not be stored; it should be sent again", "gateway", v.delivery.Gateway, "delivery", v.delivery.ID, "err", err)
	return answer{status: http.StatusServiceUnavailable, body: failure{"the event could not be stored now: send it again"}, retry: retryLater}
}
