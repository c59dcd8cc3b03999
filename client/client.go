// Package client talks to a Brigade server over its HTTP API. A Client
// implements the same root interfaces as a store where the API allows it, so
// that the commands and views of this program work on a server as they do on
// this machine's store.
//
//	command → Client → request, with retries → problem or answer → the root's nouns
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/option"
)

// Options say which server and as whom. Only URL is required.
type Options struct {
	// URL is the server's address, such as https://ci.example.org. Without a
	// scheme it is http for this machine and https for every other.
	URL string
	// Token is sent as a bearer token, and to no other host than URL's.
	Token string
	// Tokens, when set, is asked for the token of each request instead; it is
	// quick unless the token has to be renewed. Its error ends the request.
	Tokens func(ctx context.Context) (string, error)
	// CAFile is a PEM file with certificates that are trusted besides the
	// system's.
	CAFile string
	// Insecure lets a token go over plain http to another machine.
	Insecure bool
	// HTTP sends the requests; default one that trusts CAFile.
	HTTP http.RoundTripper
	// UserAgent names the program.
	UserAgent string
	// Timeout bounds one attempt of a request that is no stream and no
	// download; default 60 s.
	Timeout time.Duration
	// Idle is how long a stream may be silent before it is taken up anew;
	// default 60 s. Servers give a sign of life every 15 s.
	Idle time.Duration
	// Attempts is how often a request that may be repeated is sent at the
	// most; default 4.
	Attempts int
	// Patience is how long a stream that was cut off waits for the server to
	// come back; default 2 min.
	Patience time.Duration
	// Backoff is the pause before the second attempt, doubled each time;
	// default 200 ms.
	Backoff time.Duration
}

// Client is a connection to one server. All methods may be called
// concurrently. Their errors are *brigade.Error with the server's code and
// hint; CodeUnavailable when it cannot be reached. None holds the token.
type Client struct {
	opt  Options
	base *url.URL
	http *http.Client
}

var (
	_ brigade.Projects = (*Client)(nil)
	_ brigade.Builds   = (*Client)(nil)
	_ brigade.Jobs     = (*Client)(nil)
	_ brigade.Logs     = (*Client)(nil)
)

// New returns a client. Nothing is sent yet. The error is a CodeUsage one.
func New(o Options) (*Client, error) {
	base, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Token, err = checkToken(o.Token); err != nil {
		return nil, err
	}
	if (o.Token != "" || o.Tokens != nil) && base.Scheme == "http" && !Loopback(base.Host) && !o.Insecure {
		return nil, usage("the token would go to %s unencrypted", base.Host).
			WithHint("use https, or allow it with --insecure where the network is trusted")
	}
	option.Default(&o.Timeout, time.Minute)
	option.Default(&o.Idle, time.Minute)
	option.Default(&o.Patience, 2*time.Minute)
	option.Default(&o.Backoff, 200*time.Millisecond)
	option.Default(&o.Attempts, 4)
	if o.UserAgent == "" {
		o.UserAgent = "brigade-client"
	}
	if o.HTTP == nil {
		if o.HTTP, err = Transport(o.CAFile); err != nil {
			return nil, err
		}
	}
	c := &Client{opt: o, base: base}
	c.http = &http.Client{Transport: o.HTTP, CheckRedirect: c.redirect}
	return c, nil
}

func usage(format string, args ...any) *brigade.Error {
	return brigade.Errorf(brigade.CodeUsage, format, args...)
}

// URL is the server's address, without a slash at the end.
func (c *Client) URL() string { return c.base.String() }

func parseURL(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	bad := usage("the server's address is not a URL").WithHint("write it like https://ci.example.org or http://127.0.0.1:7745")
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if Loopback(strings.TrimSuffix(text, "/")) {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", u.Opaque != "":
		return nil, bad
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, usage("the server's address begins with %s://", u.Scheme).WithHint("use http:// or https://")
	case u.User != nil:
		return nil, usage("the server's address holds a user or a password").WithHint("give a token instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, bad
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// Loopback reports whether host, with or without a port, is this machine.
func Loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func checkToken(text string) (string, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usage("the token holds characters that no token has").WithHint("is it the right file?")
	}
	return text, nil
}

// Transport sends requests and trusts the certificates in a PEM file besides
// the system's; "" is no file. The error is a CodeUsage one.
func Transport(caFile string) (http.RoundTripper, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 8,
		ForceAttemptHTTP2:   true,
	}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, usage("the certificates in %s cannot be read: %w", caFile, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage("%s holds no certificate", caFile).WithHint("it must be a PEM file")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

var errRedirect = errors.New("redirect refused")

// redirect follows to the same host only: elsewhere the token has no business.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	same := r.URL.Scheme == c.base.Scheme && r.URL.Host == c.base.Host
	reads := first.Method == http.MethodGet || first.Method == http.MethodHead
	if !same || !reads || len(via) >= 5 {
		return fmt.Errorf("%w: to %s://%s", errRedirect, r.URL.Scheme, r.URL.Host)
	}
	return nil
}
