package workspace

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// ClientOptions say where the server is and what opens it.
type ClientOptions struct {
	URL   string
	Token string
	CA    string // PEM, in addition to the public authorities; may be empty
	// Notice is told, in a sentence, that something is tried again. nil: nobody.
	Notice func(string)
	// Pause is how long the first wait before another try is; it doubles up to
	// maxPause. Default 200 ms.
	Pause time.Duration
	// Idle is how long a transfer may stand still before it is broken off and
	// tried again. Default 2 minutes.
	Idle time.Duration
}

const (
	maxPause = 5 * time.Second
	// maxFailures is how often an error of the server itself is answered with
	// another try. A server that cannot be reached is waited for as long as the
	// context lasts.
	maxFailures = 5
)

// Client reaches the server from a pod. Its methods may be called concurrently.
type Client struct {
	opt  ClientOptions
	base *url.URL
	http *http.Client
}

// NewClient returns a Client; it does not connect yet.
func NewClient(opt ClientOptions) (*Client, error) {
	base, err := url.Parse(opt.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, brigade.Errorf(brigade.CodeUsage, "%q is not the address of a workspace server", opt.URL).WithHint("set %s", URLEnv)
	}
	if opt.Token == "" {
		return nil, brigade.Errorf(brigade.CodeUsage, "there is no token for the workspace server").WithHint("set %s", TokenEnv)
	}
	set(&opt.Pause, 200*time.Millisecond)
	set(&opt.Idle, 2*time.Minute)
	if opt.Notice == nil {
		opt.Notice = func(string) {}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // it is in the same cluster
	transport.DisableCompression = true
	if opt.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(opt.CA)) {
			return nil, brigade.Errorf(brigade.CodeUsage, "the certificate of the workspace server's authority cannot be read").WithHint("%s holds it as PEM", CAEnv)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &Client{opt: opt, base: base.JoinPath(Prefix), http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// request is one exchange, which is repeated until it works or cannot.
type request struct {
	method, path string
	query        url.Values
	// body makes the body anew for each try; nil: there is none. size is its
	// length, -1 when it is not known.
	body func(ctx context.Context) (io.ReadCloser, error)
	size int64
	// idle is how long the server may be silent; default ClientOptions.Idle.
	idle time.Duration
	// answer reads the answer; what it fails with because the connection broke
	// is tried again. nil: it is thrown away.
	answer func(status int, body io.Reader) error
}

// do carries it out until it works, cannot work, or ctx ends. The error then
// is an *Error.
func (c *Client) do(ctx context.Context, r request) error {
	pause, failures := c.opt.Pause, 0
	for {
		err := c.try(ctx, r)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return c.gaveUp(ctx, err)
		}
		var e *brigade.Error
		if errors.As(err, &e) && e.Code != brigade.CodeUnavailable && e.Code != brigade.CodeLimited {
			if failures++; e.Code != brigade.CodeStore && e.Code != brigade.CodeInternal || failures >= maxFailures {
				return err
			}
		}
		c.opt.Notice("the workspace server will be asked again: " + err.Error())
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return c.gaveUp(ctx, err)
		}
		pause = min(2*pause, maxPause)
	}
}

func (c *Client) gaveUp(ctx context.Context, err error) error {
	return (&brigade.Error{
		Code: brigade.CodeUnavailable, Message: "the workspace server at " + c.base.Host + " was asked until there was no time left: " + err.Error(), Err: context.Cause(ctx),
	}).WithHint("look at the log of the controller, and whether a network policy lets pods reach it")
}

// try makes one attempt.
func (c *Client) try(ctx context.Context, r request) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	set(&r.idle, c.opt.Idle)
	idle := time.AfterFunc(r.idle, func() { cancel(os.ErrDeadlineExceeded) })
	defer idle.Stop()
	target := c.base.JoinPath(r.path)
	target.RawQuery = r.query.Encode()
	var body io.ReadCloser
	if r.body != nil {
		content, err := r.body(ctx)
		if err != nil {
			return err
		}
		body = struct {
			io.Reader
			io.Closer
		}{&movingReader{content, idle, r.idle}, content}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), body)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return err
	}
	if body != nil {
		req.ContentLength = r.size
		if r.size == 0 {
			req.Body = http.NoBody
			_ = body.Close()
		}
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("Authorization", "Bearer "+c.opt.Token)
	answer, err := c.http.Do(req)
	if err != nil {
		return connection(ctx, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode >= 300 {
		return refusal(answer)
	}
	if r.answer == nil {
		return nil
	}
	return connection(ctx, r.answer(answer.StatusCode, &movingReader{answer.Body, idle, r.idle}))
}

// movingReader notes that a transfer does not stand still.
type movingReader struct {
	io.Reader
	idle  *time.Timer
	limit time.Duration
}

func (m *movingReader) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.idle.Reset(m.limit)
	return n, err
}

// connection tells errors of the connection, which are tried again, from those
// of this side, which stay what they are.
func connection(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var e *brigade.Error
	if errors.As(err, &e) {
		return e
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if local := (*localError)(nil); errors.As(err, &local) {
		return storeError(local.err, "the files of the pod cannot be read or written")
	}
	return &brigade.Error{Code: brigade.CodeUnavailable, Message: "the connection to the workspace server broke: " + err.Error(), Err: err}
}

// localError is about files of this pod.
type localError struct{ err error }

func (l *localError) Error() string { return l.err.Error() }

func (l *localError) Unwrap() error { return l.err }

// refusal reads an answer that is an error.
func refusal(answer *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // what came has to do
	var e brigade.Error
	if json.Unmarshal(text, &e) == nil && e.Code != "" && e.Message != "" {
		return &e
	}
	code := brigade.CodeInvalid
	if answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests {
		code = brigade.CodeUnavailable // a proxy on the way
	}
	return brigade.Errorf(code, "what answers at the workspace server's address says %q %s", answer.Status, strings.TrimSpace(string(text[:min(len(text), 200)]))).
		WithHint("check %s", URLEnv)
}
