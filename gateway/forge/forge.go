// Package forge talks to the places that keep repositories (GitHub, GitLab,
// Gitea, Forgejo, Bitbucket): for gateways, which look up what a webhook does
// not say, and for reporters. A client for the few calls that are needed is
// here instead of a library per forge: go-github with ghinstallation alone adds
// more than a megabyte to the program.
package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer      = 4 << 20 // bytes of an answer that are read
	maxMessage     = 300     // bytes of an answer that get into an error
	defaultTimeout = 30 * time.Second
	maxRedirects   = 3
)

// Client makes JSON requests. The zero value is usable.
type Client struct {
	HTTP *http.Client     // its transport is used; nil: the default one
	Now  func() time.Time // to read Retry-After dates; nil: time.Now
}

// Auth is the header that proves who asks. It is not shown by fmt and slog.
type Auth struct{ name, value string }

// String hides the secret.
func (a Auth) String() string { return a.name + ": ***" }

// GoString hides the secret.
func (a Auth) GoString() string { return a.String() }

// Bearer authenticates with a token as RFC 6750 has it.
func Bearer(token string) Auth { return Auth{"Authorization", "Bearer " + token} }

// Token authenticates as Gitea and Forgejo want it.
func Token(token string) Auth { return Auth{"Authorization", "token " + token} }

// Private authenticates as GitLab wants it.
func Private(token string) Auth { return Auth{"PRIVATE-TOKEN", token} }

// Basic authenticates with "user:password", and any other text as a bearer
// token, as Bitbucket has it.
func Basic(token string) Auth {
	user, password, found := strings.Cut(token, ":")
	if !found {
		return Bearer(token)
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return Auth{"Authorization", r.Header.Get("Authorization")}
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Method, Path string
	Status       int
	Message      string        // the start of what the forge said
	After        time.Duration // how long it wants to be left alone; 0: it did not say
	limited      bool
}

// Error says what was asked and what came back.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: status %d", e.Method, e.Path, e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Again reports whether a request that failed with err may succeed later, and
// how long the forge wants it to wait at least (0: it did not say). Failures
// to reach the forge may pass, too; the end of a context is final.
func Again(err error) (again bool, after time.Duration) {
	var status *StatusError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false, 0
	case errors.As(err, &status):
		again = status.limited || status.Status >= 500 || status.Status == http.StatusTooManyRequests || status.Status == http.StatusRequestTimeout
		return again, status.After
	}
	var network *url.Error
	return errors.As(err, &network), 0
}

// StatusOf returns the HTTP status of an answer that was not a success, and 0
// for other errors.
func StatusOf(err error) int {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status
	}
	return 0
}

// Do sends in as JSON (nil: no body) and reads the answer into out (nil: it is
// dropped). An answer of 300 and above is a *StatusError. Redirects are only
// followed on the same host, so that no credential leaves it.
func (c Client) Do(ctx context.Context, method, address string, auth Auth, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	req, err := request(ctx, method, address, auth, in)
	if err != nil {
		return err
	}
	client := http.Client{CheckRedirect: sameHost}
	if c.HTTP != nil {
		client.Transport = c.HTTP.Transport
	}
	res, err := client.Do(req)
	if err != nil {
		return withoutQuery(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case res.StatusCode >= 300:
		return c.statusError(req, res, body)
	case err != nil:
		return &url.Error{Op: method, URL: req.URL.Path, Err: err}
	case len(body) > maxAnswer:
		return fmt.Errorf("%s %s: the answer has more than %d bytes", method, req.URL.Path, maxAnswer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what was expected: %w", method, req.URL.Path, err)
	}
	return nil
}

func request(ctx context.Context, method, address string, auth Auth, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return nil, fmt.Errorf("the address of a forge starts with https:// or http://, not %q", req.URL.Scheme)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "brigade")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if auth.name != "" {
		if req.URL.Scheme == "http" && !loopback(req.URL.Hostname()) {
			return nil, fmt.Errorf("credentials are not sent to %s over plain http", req.URL.Host)
		}
		req.Header.Set(auth.name, auth.value)
	}
	return req, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func sameHost(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	if len(via) > maxRedirects || req.URL.Host != from.Host || (from.Scheme == "https" && req.URL.Scheme != "https") {
		return http.ErrUseLastResponse
	}
	return nil
}

// withoutQuery takes what may be secret out of the address in err.
func withoutQuery(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		if u, perr := url.Parse(e.URL); perr == nil {
			u.RawQuery, u.User = "", nil
			e.URL = u.String()
		}
	}
	return err
}

func (c Client) statusError(req *http.Request, res *http.Response, body []byte) *StatusError {
	e := &StatusError{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode, After: c.after(res.Header)}
	left := res.Header.Get("X-RateLimit-Remaining")
	if res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusTooManyRequests {
		e.limited = e.After > 0 || left == "0"
	}
	var said struct {
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	text := string(body)
	if json.Unmarshal(body, &said) == nil {
		text = string(said.Message) + string(said.Error)
	}
	e.Message = strings.ToValidUTF8(strings.Join(strings.Fields(strings.Trim(text, `"`)), " "), "")
	if len(e.Message) > maxMessage {
		e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + "…"
	}
	return e
}

// after reads how long the forge wants to be left alone: Retry-After in
// seconds or as a date, else GitHub's time at which its limit is renewed.
func (c Client) after(h http.Header) time.Duration {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	if text := h.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(text); err == nil {
			return time.Duration(min(max(seconds, 0), 1<<20)) * time.Second
		}
		if at, err := http.ParseTime(text); err == nil {
			return max(at.Sub(now()), 0)
		}
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		if unix, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(time.Unix(unix, 0).Sub(now()), 0)
		}
	}
	return 0
}
