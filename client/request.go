package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Bounds on what a server may send.
const (
	maxAnswer  = 256 << 20 // bytes of JSON
	maxProblem = 64 << 10
	maxWait    = 15 * time.Second // that a server may ask for before a repeat
)

// request is what is to be asked of the server.
type request struct {
	method string
	path   []string // segments below the base, not escaped
	query  url.Values
	body   any // JSON; nil for none
	header map[string]string
	repeat bool // may be sent again although it changes something
}

func get(path ...string) request  { return request{method: http.MethodGet, path: path} }
func post(path ...string) request { return request{method: http.MethodPost, path: path} }

func (r request) with(q url.Values) request { r.query = q; return r }

// repeatable reports whether sending it twice does the same as once.
func (r request) repeatable() bool { return r.repeat || r.method != http.MethodPost }

// call sends a request and reads the answer into v, which may be nil. It
// returns the answer's headers.
func (c *Client) call(ctx context.Context, r request, v any) (http.Header, error) {
	var header http.Header
	err := c.attempts(ctx, r, func(ctx context.Context, size int, send func(context.Context) (*http.Response, error)) error {
		limit := c.opt.Timeout + time.Duration(size)*time.Second/(64<<10)
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		resp, err := send(ctx) //nolint:bodyclose // drain closes it
		if err != nil {
			return err
		}
		defer drain(resp.Body)
		header = resp.Header
		if v == nil || resp.StatusCode == http.StatusNoContent {
			return nil
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
			return c.broken(err)
		}
		return nil
	})
	return header, err
}

// open sends a request and returns the answer while its body is still coming.
// The caller closes it.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	var resp *http.Response
	err := c.attempts(ctx, r, func(ctx context.Context, _ int, send func(context.Context) (*http.Response, error)) (err error) {
		ctx, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(c.opt.Timeout, func() { cancel(context.DeadlineExceeded) })
		defer timer.Stop()
		if resp, err = send(ctx); err != nil { //nolint:bodyclose // the caller closes it
			cancel(nil)
			return err
		}
		resp.Body = &idleBody{ReadCloser: resp.Body, idle: c.opt.Idle, cancel: cancel}
		return nil
	})
	return resp, err
}

// drain reads what is left of a small body, so that the connection can be used
// again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

// idleBody is a body that is given up when nothing comes for a while.
type idleBody struct {
	io.ReadCloser
	idle   time.Duration
	cancel context.CancelCauseFunc
}

// Read reads, for so long as it takes less than idle.
func (b *idleBody) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.idle, func() { b.cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	return b.ReadCloser.Read(p)
}

// Close ends the request.
func (b *idleBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

type sender = func(ctx context.Context, size int, send func(context.Context) (*http.Response, error)) error

// attempts runs try until it succeeds, fails for good, or was tried often
// enough.
func (c *Client) attempts(ctx context.Context, r request, try sender) error {
	for _, segment := range r.path {
		if segment == "" || segment == "." || segment == ".." {
			return brigade.Errorf(brigade.CodeNotFound, "there is nothing named %q", segment)
		}
	}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return brigade.Errorf(brigade.CodeInvalid, "the request cannot be written as JSON: %w", err)
		}
	}
	for n := 1; ; n++ {
		err := try(ctx, len(body), func(ctx context.Context) (*http.Response, error) { return c.send(ctx, r, body) })
		if err == nil {
			return nil
		}
		if n > 1 && r.method == http.MethodDelete && brigade.CodeOf(err) == brigade.CodeNotFound {
			return nil // the attempt before did it, only its answer was lost
		}
		var f *failure
		if !errors.As(err, &f) {
			return err
		}
		if ctx.Err() != nil {
			return canceled(ctx)
		}
		if n >= c.opt.Attempts || !f.again || !(r.repeatable() || f.unsent) {
			return f.err
		}
		if !sleep(ctx, c.pause(n, f.wait)) {
			return canceled(ctx)
		}
	}
}

func canceled(ctx context.Context) error {
	cause := context.Cause(ctx)
	var known *brigade.Error
	if errors.As(cause, &known) {
		return known
	}
	return fmt.Errorf("ask the server: %w", cause)
}

// pause is how long to wait after the nth attempt, with some chance in it so
// that many clients do not come back at once.
func (c *Client) pause(n int, wait time.Duration) time.Duration {
	d := c.opt.Backoff << (n - 1)
	d = d/2 + rand.N(d/2+1)
	return max(d, min(wait, maxWait))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// failure is an error of one attempt.
type failure struct {
	err    error         // what the caller gets
	again  bool          // another attempt may succeed
	unsent bool          // the server did not see the request
	wait   time.Duration // that the server asks for
}

// Error returns the message.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns what the caller gets.
func (f *failure) Unwrap() error { return f.err }

// send sends a request once. An answer that is not a success is an error.
func (c *Client) send(ctx context.Context, r request, body []byte) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r), reader)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the request makes no address")
	}
	req.Header.Set("User-Agent", c.opt.UserAgent)
	req.Header.Set("Accept", "application/json, application/problem+json;q=0.9")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if resp != nil {
			drain(resp.Body)
		}
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer drain(resp.Body)
	return nil, c.problem(resp)
}

// token is what opens the server now.
func (c *Client) token(ctx context.Context) (string, error) {
	if c.opt.Tokens == nil {
		return c.opt.Token, nil
	}
	token, err := c.opt.Tokens(ctx)
	if err != nil {
		return "", err
	}
	return checkToken(token)
}

// address is the URL of a request. Segments may hold slashes.
func (c *Client) address(r request) string {
	var b strings.Builder
	b.WriteString(c.base.String())
	for _, segment := range r.path {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	if len(r.query) > 0 {
		b.WriteByte('?')
		b.WriteString(r.query.Encode())
	}
	return b.String()
}

// unreachable makes an error of one that the network gave. The address and
// the query in it are dropped: they may be long.
func (c *Client) unreachable(err error) *failure {
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	var known *brigade.Error
	if errors.As(err, &known) { // of Options.HTTP, which says it better
		return &failure{again: known.Code == brigade.CodeUnavailable, unsent: true, err: known}
	}
	unavailable := func(format string, args ...any) *brigade.Error {
		return brigade.Errorf(brigade.CodeUnavailable, format, args...)
	}
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dial *net.OpError
	switch {
	case errors.Is(err, errRedirect):
		return &failure{err: unavailable("%s redirects elsewhere: %v", c.base, err).WithHint("use the address it leads to, if you trust it: a token is sent to no other host")}
	case errors.As(err, &unknown), errors.As(err, &wrongHost), errors.As(err, &verify):
		return &failure{err: unavailable("the certificate of %s is not trusted: %v", c.base, err).WithHint("name the file with the authority's certificate with --ca-file")}
	case errors.As(err, &record):
		return &failure{err: unavailable("%s does not speak TLS", c.base).WithHint("is its address http:// instead of https://?")}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{again: true, err: unavailable("%s did not answer in time", c.base).WithHint("try again later")}
	case errors.As(err, &dial) && dial.Op == "dial":
		return &failure{again: true, unsent: true, err: unavailable("the server at %s cannot be reached: %v", c.base, dial.Err).WithHint("is it running? start one with brig server, or check the address")}
	}
	return &failure{again: true, err: unavailable("the connection to %s broke: %v", c.base, err).WithHint("try again")}
}

// broken is an answer that ended too early or is not what it should be.
func (c *Client) broken(err error) *failure {
	return &failure{again: true, err: brigade.Errorf(brigade.CodeUnavailable, "the answer of %s cannot be read: %v", c.base, err).
		WithHint("is it a Brigade server of this version?")}
}

// problem makes an error of an answer that is not a success.
func (c *Client) problem(resp *http.Response) *failure {
	status := resp.StatusCode
	f := &failure{}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
		f.wait = time.Duration(seconds) * time.Second
	}
	var p struct {
		Code   brigade.Code `json:"code"`
		Detail string       `json:"detail"`
		Hint   string       `json:"hint"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	known := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") &&
		err == nil && json.Unmarshal(body, &p) == nil && p.Code != "" && p.Detail != ""
	switch status {
	case http.StatusTooManyRequests:
		f.again = f.wait <= maxWait
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f.again = (after != "" || !known) && f.wait <= maxWait // a server that lacks something says so at once
	}
	e := &brigade.Error{Code: p.Code, Message: p.Detail, Hint: p.Hint}
	if !known {
		e = c.stranger(status)
	}
	if status == http.StatusUnauthorized {
		e.Hint = "give a token with --token-file or BRIGADE_TOKEN; an administrator makes one with: brig token create"
	}
	f.err = e
	return f
}

// stranger is an answer of something that is no Brigade server, such as a proxy.
func (c *Client) stranger(status int) *brigade.Error {
	code := brigade.CodeUnavailable
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		code = brigade.CodeDenied
	case http.StatusRequestEntityTooLarge:
		code = brigade.CodeTooLarge
	case http.StatusTooManyRequests:
		code = brigade.CodeLimited
	}
	return brigade.Errorf(code, "%s answered %d %s", c.base, status, http.StatusText(status)).
		WithHint("is it the address of a Brigade server's API?")
}
