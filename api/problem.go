package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// problem is an error as RFC 9457 writes it, with our code and hint.
type problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      brigade.Code `json:"code"`
	Hint      string       `json:"hint,omitempty"`
	RequestID string       `json:"requestID"`
}

// statusError is an error that is answered with another status than its code's.
type statusError struct {
	status int
	wait   time.Duration // until it makes sense to try again
	err    *brigade.Error
}

// Error returns the message.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns the error behind.
func (e *statusError) Unwrap() error { return e.err }

func withStatus(status int, err *brigade.Error) error { return &statusError{status: status, err: err} }

func usage(format string, args ...any) *brigade.Error {
	return brigade.Errorf(brigade.CodeUsage, format, args...)
}

func notFound(format string, args ...any) *brigade.Error {
	return brigade.Errorf(brigade.CodeNotFound, format, args...)
}

func missing(what string) error {
	return brigade.Errorf(brigade.CodeUnavailable, "this server has no %s", what)
}

// fail answers err. What went wrong inside goes to the log, not to the client.
func (c *call) fail(err error) {
	if c.w.status != 0 { // the answer has begun: the client sees that it is cut off
		c.a.opt.Log.Debug("an answer was cut off", "request", c.id, "err", err)
		panic(http.ErrAbortHandler)
	}
	p, wait := c.describe(err)
	h := c.w.Header()
	if p.Status >= http.StatusInternalServerError && p.Code != brigade.CodeUnavailable {
		c.a.opt.Log.Error("request failed", "request", c.id, "route", c.route.pattern, "err", err)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="brigade"`)
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second)/time.Second)))
	}
	h.Del("ETag")
	if c.route.v1 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		c.w.WriteHeader(p.Status)
		fmt.Fprint(c.w, p.Detail)
		return
	}
	data, err := json.Marshal(p)
	if err != nil {
		data = []byte(`{"type":"about:blank","status":500}`)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(data)+1))
	c.w.WriteHeader(p.Status)
	_, _ = c.w.Write(append(data, '\n')) // a client that is gone needs no answer
}

// describe says what a client is told about err, and how long it should wait.
func (c *call) describe(err error) (problem, time.Duration) {
	p := problem{Type: "about:blank", RequestID: c.id}
	var wait time.Duration
	var with *statusError
	var known *brigade.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		known = brigade.Errorf(brigade.CodeTooLarge, "the request has more than %d bytes", large.Limit)
	case errors.As(err, &with):
		p.Status, wait, known = with.status, with.wait, with.err
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		known = brigade.Errorf(brigade.CodeUnavailable, "it took too long").WithHint("try again")
		wait = time.Second
	}
	if known == nil || known.Code == brigade.CodeInternal || known.Code == brigade.CodeStore {
		code := brigade.CodeOf(err)
		known = brigade.Errorf(code, "the server failed").WithHint("the server's log says more about request %s", c.id)
	}
	if p.Status == 0 {
		p.Status = known.Code.HTTPStatus()
	}
	p.Title, p.Detail, p.Code, p.Hint = http.StatusText(p.Status), known.Message, known.Code, known.Hint
	return p, wait
}
