package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/traceparent"
)

// The JSON of OTLP (opentelemetry-proto, trace/v1): IDs are hex, 64-bit
// numbers are texts.

type span struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	ParentID   string      `json:"parentSpanId,omitempty"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"`
	Start      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []attribute `json:"attributes,omitempty"`
	Events     []moment    `json:"events,omitempty"`
	Status     status      `json:"status"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	Text   *string `json:"stringValue,omitempty"`
	Number string  `json:"intValue,omitempty"`
	Flag   *bool   `json:"boolValue,omitempty"`
}

type moment struct {
	Time string `json:"timeUnixNano"`
	Name string `json:"name"`
}

type status struct {
	Code    int    `json:"code"` // 1: ok, 2: error
	Message string `json:"message,omitempty"`
}

const (
	kindInternal = 1
	kindConsumer = 5
)

func text(key, v string) attribute { return attribute{key, value{Text: &v}} }
func number(key string, n int64) attribute {
	return attribute{key, value{Number: strconv.FormatInt(n, 10)}}
}
func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// newSpan is a span from begin to end. Without a begin it has no Start, and is
// not sent.
func newSpan(name string, kind int, place traceparent.Context, begin, end time.Time) span {
	s := span{TraceID: hex.EncodeToString(place.TraceID[:]), SpanID: hex.EncodeToString(place.SpanID[:]), Name: name, Kind: kind}
	if !begin.IsZero() && !end.IsZero() {
		s.Start, s.End = nanos(begin), nanos(maxTime(begin, end))
	}
	return s
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *span) outcome(state brigade.State, failure *brigade.Error) {
	s.Status.Code = 1
	if state == brigade.StateSucceeded {
		return
	}
	s.Status.Code = 2
	if failure != nil {
		s.Status.Message = failure.Message
		s.Attributes = append(s.Attributes, text("error.type", string(failure.Code)))
	}
}

// steps are the changes of state within the span.
func (s *span) steps(history []brigade.Step) {
	for _, step := range history {
		s.Events = append(s.Events, moment{nanos(step.Time), string(step.State)})
	}
}

// buildSpan reaches from a build's creation to its end: waiting is part of it.
func buildSpan(b *brigade.Build, place traceparent.Context) span {
	s := newSpan("build "+b.Project+" "+b.Event.Type, kindConsumer, place, b.Created, b.Ended)
	if p, ok := traceparent.Parse(b.Event.TraceParent); ok {
		s.ParentID = hex.EncodeToString(p.SpanID[:])
	}
	s.Attributes = []attribute{
		text("brigade.build.id", b.ID), text("brigade.project.name", b.Project), text("brigade.event.provider", b.Event.Provider),
		text("brigade.event.type", b.Event.Type), text("brigade.build.state", string(b.State)), number("brigade.build.attempt", int64(b.Attempt)),
	}
	for _, a := range []attribute{text("vcs.ref.head.name", b.Event.Revision.Ref), text("vcs.ref.head.revision", b.Event.Revision.Commit), text("brigade.build.rerun_of", b.RerunOf)} {
		if *a.Value.Text != "" {
			s.Attributes = append(s.Attributes, a)
		}
	}
	s.steps(b.History)
	s.outcome(b.State, b.Failure)
	return s
}

// jobSpan reaches from a job's start to its end, or from its creation when it
// never started.
func jobSpan(j *brigade.Job, place, build traceparent.Context) span {
	begin := j.Started
	if begin.IsZero() {
		begin = j.Created
	}
	s := newSpan("job "+j.Name, kindInternal, place, begin, j.Ended)
	s.ParentID = hex.EncodeToString(build.SpanID[:])
	s.Attributes = []attribute{
		text("brigade.job.id", j.ID), text("brigade.job.name", j.Name), text("container.image.name", j.Spec.Image), text("brigade.job.state", string(j.State)),
		number("brigade.job.attempt", int64(j.Attempt)), number("process.exit.code", int64(j.ExitCode)),
	}
	if j.Inherited != "" {
		s.Start = "" // it did not run in this build
	}
	s.steps(j.History)
	s.outcome(j.State, j.Failure)
	return s
}

// sendTries is how often a batch is sent before it is given up.
const sendTries = 4

// send sends spans, again when the collector asks for that.
func (x *Exporter) send(ctx context.Context, spans []span) error {
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []attribute{text("service.name", x.opt.Service), text("service.version", x.opt.Version)}},
		"scopeSpans": []any{map[string]any{"scope": map[string]any{"name": "github.com/brigadecore/brigade/v3/trace"}, "spans": spans}},
	}}})
	if err != nil {
		return err
	}
	wait := 500 * time.Millisecond
	for try := 1; ; try++ {
		again, after, err := x.post(ctx, body)
		if err == nil || !again || try == sendTries {
			return err
		}
		timer := time.NewTimer(max(wait, after))
		select {
		case <-timer.C:
		case <-x.closed: // no time to lose
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait *= 2
	}
}

// post sends a batch once. again says whether another time may help, and when.
func (x *Exporter) post(ctx context.Context, body []byte) (again bool, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range x.opt.Headers {
		req.Header.Set(k, v)
	}
	resp, err := x.opt.Client.Do(req)
	if err != nil {
		return ctx.Err() == nil, 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // to use the connection again
	if resp.StatusCode < 300 {
		return false, 0, nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		after = min(time.Duration(n)*time.Second, 30*time.Second)
	}
	return again, after, fmt.Errorf("the collector answered %s", resp.Status)
}
