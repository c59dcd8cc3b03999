package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/packed"
)

// call is one request on its way through a handler.
type call struct {
	a       *API
	w       *recorder
	r       *http.Request
	control *http.ResponseController
	route   route
	id      string // of the request
	who     *Identity

	// What the audit log says, filled in by handlers.
	project string
	target  string
}

// json answers with v. Nothing in it is masked: use masked for what scripts,
// jobs or events had a hand in.
func (c *call) json(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write an answer: %w", err)
	}
	return c.send(status, append(data, '\n'))
}

// masked answers with v, in which the secrets of the named projects are
// replaced.
func (c *call) masked(status int, v any, projectIDs ...string) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write an answer: %w", err)
	}
	for _, id := range projectIDs {
		m, err := c.a.maskers.Of(c.r.Context(), id)
		if err != nil {
			return err
		}
		data = maskJSON(m, data)
	}
	return c.send(status, append(data, '\n'))
}

// send writes JSON, compressed when that is worth it. A client that is gone is
// no error.
func (c *call) send(status int, data []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Add("Vary", "Accept-Encoding")
	data, err := packed.Answer(h, c.r, data)
	if err != nil {
		return err
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(data)
	}
	return nil
}

func (c *call) none() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// limitBody bounds the body, and how many large ones are read at once.
func (c *call) limitBody() (release func(), err error) {
	release = func() {}
	limit := c.route.body
	if limit == 0 {
		limit = maxOtherBody
	}
	if most := c.a.opt.Limits.Body; most > 0 {
		limit = min(limit, most)
	}
	if c.r.ContentLength > limit {
		return release, &http.MaxBytesError{Limit: limit}
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, limit)
	if limit <= 1<<20 || c.r.ContentLength >= 0 && c.r.ContentLength <= 1<<20 {
		return release, nil
	}
	select {
	case c.a.large <- struct{}{}:
		return func() { <-c.a.large }, nil
	case <-c.r.Context().Done():
		return release, c.r.Context().Err()
	}
}

// body reads the request's JSON into v. Unknown fields are mistakes.
func (c *call) body(v any) error {
	raw, err := c.raw()
	if err != nil {
		return err
	}
	return decode(raw, v)
}

// raw reads the request's body, which must say that it is JSON.
func (c *call) raw() ([]byte, error) {
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, withStatus(http.StatusUnsupportedMediaType, usage("the request must be JSON").WithHint("send the header Content-Type: application/json"))
	}
	raw, err := io.ReadAll(c.r.Body)
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return nil, usage("the request did not arrive whole")
	}
	return raw, err
}

func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		return usage("there is something after the JSON value")
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return usage("the JSON ends too early")
	case errors.As(err, &syntax):
		return usage("the JSON is malformed at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Field == "":
		return usage("the request must be a JSON object, and is not: %s", kind.Value)
	case errors.As(err, &kind):
		return usage("the field %q is of the wrong kind: %s", kind.Field, kind.Value)
	}
	return usage("%s", strings.TrimPrefix(err.Error(), "json: "))
}

// number reads a whole number between low and high from the query.
func (c *call) number(name string, otherwise, low, high int64) (int64, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, usage("%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// flag reads a boolean from the query; the name alone means true.
func (c *call) flag(name string) (bool, error) {
	q := c.r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	if q.Get(name) == "" {
		return true, nil
	}
	v, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, usage("%s must be true or false", name)
	}
	return v, nil
}

// page reads limit and before from the query.
func (c *call) page() (before string, limit int, err error) {
	n, err := c.number("limit", 50, 1, 1000)
	if err != nil {
		return "", 0, err
	}
	before = c.r.URL.Query().Get("before")
	if len(before) > 128 {
		return "", 0, usage("before must be the ID of the last one of the page before")
	}
	return before, int(n), nil
}

// linkNext tells where the next page is, as RFC 8288 writes it.
func (c *call) linkNext(next string) {
	if next == "" {
		return
	}
	q := c.r.URL.Query()
	q.Set("before", next)
	c.w.Header().Set("Link", "<"+c.r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// moment reads a time, or a duration before now.
func (c *call) moment(name string) (time.Time, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := brigade.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, usage("%s must be a time such as 2026-01-02T15:04:05Z, or how long ago: 90m, 7d", name)
	}
	return c.a.opt.Now().Add(-d), nil
}

// plain reports whether s is a name that can be shown: not empty, not long,
// without control characters.
func plain(s string, most int) bool {
	return s != "" && len(s) <= most && strings.IndexFunc(s, unicode.IsControl) < 0
}
