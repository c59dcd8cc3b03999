package npm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	maxRedirects = 10
	maxRetries   = 3 // attempts after the first
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 20 * time.Second // also the longest Retry-After that is honoured
	attemptLimit = 5 * time.Minute
)

// newTransport makes the transport for a configuration: its proxies, its
// authorities. Only Options.HTTP replaces it.
func newTransport(c *config, env map[string]string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return c.proxyFor(r.URL) },
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
	}
	pems := append([]string(nil), c.ca...)
	for _, file := range []string{c.settings["cafile"], env["NODE_EXTRA_CA_CERTS"]} {
		if file == "" || file == "null" {
			continue
		}
		text, err := readCapped(file, maxManifest)
		if err != nil && file == env["NODE_EXTRA_CA_CERTS"] {
			continue // node only warns
		}
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeDependency, "read cafile: %w", err)
		}
		pems = append(pems, string(text))
	}
	insecure := c.settings["strict-ssl"] == "false"
	if len(pems) == 0 && !insecure {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, p := range pems {
		pool.AppendCertsFromPEM([]byte(p))
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12}
	return t, nil
}

// webClient sends requests with retries, follows redirects itself so that a
// credential never leaves its host, and bounds how many run at once.
type webClient struct {
	config *config
	http   *http.Client
	slots  chan struct{}
	sleep  func(ctx context.Context, d time.Duration) error
}

func newWebClient(c *config, base *http.Client, env map[string]string, concurrency int, sleep func(context.Context, time.Duration) error) (*webClient, error) {
	client := http.Client{}
	if base != nil {
		client = *base
	} else {
		t, err := newTransport(c, env)
		if err != nil {
			return nil, err
		}
		client.Transport = t
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	return &webClient{config: c, http: &client, slots: make(chan struct{}, concurrency), sleep: sleep}, nil
}

// close lets go of the connections that this client made itself.
func (w *webClient) close() { w.http.CloseIdleConnections() }

// get fetches an address and hands the answer's body to use while it holds
// a slot. Answers of 5xx, 408 and 429 and broken connections are tried again,
// those that break inside use too. use sees 200 and 304 only.
func (w *webClient) get(ctx context.Context, u *url.URL, header http.Header, use func(*http.Response) error) error {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	wait := firstBackoff
	for attempt := 0; ; attempt++ {
		again, err := w.once(ctx, u, header, use)
		if err == nil || again < 0 || attempt == maxRetries || ctx.Err() != nil {
			return err
		}
		if err := w.sleep(ctx, max(wait, again)); err != nil {
			return err
		}
		wait = min(2*wait, maxBackoff)
	}
}

// once makes one attempt. again is negative when another attempt is useless,
// else the time the server asks to wait.
func (w *webClient) once(ctx context.Context, u *url.URL, header http.Header, use func(*http.Response) error) (again time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	resp, err := w.follow(ctx, u, header)
	if err != nil {
		if permanent(err) {
			return -1, err
		}
		return 0, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusNotModified:
		var broken *brokenBody
		err := use(resp)
		if errors.As(err, &broken) {
			return 0, broken.err
		}
		return -1, err
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout:
		return retryAfter(resp.Header), w.status(u, resp)
	}
	return -1, w.status(u, resp)
}

// brokenBody marks an error of reading an answer, which another attempt may
// mend.
type brokenBody struct{ err error }

// Error returns the cause's text.
func (b *brokenBody) Error() string { return b.err.Error() }

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	var be *brigade.Error
	var cert x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &be) || errors.As(err, &cert) || errors.As(err, &host)
}

func retryAfter(h http.Header) time.Duration {
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, maxBackoff)
	}
	return 0
}

// follow sends the request and goes after redirects. The credential belongs
// to the first host; from the first step to another host on nothing is shown.
func (w *webClient) follow(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	start, left := u, false
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, plainCause(err)
		}
		for k, v := range header {
			req.Header[k] = v
		}
		req.Header.Set("User-Agent", "brig (npm registry client)")
		left = left || !strings.EqualFold(u.Host, start.Host)
		if cred, ok := w.config.credentialFor(u); ok && !left {
			if h := cred.header(); h != "" {
				req.Header.Set("Authorization", h)
			}
		}
		resp, err := w.http.Do(req)
		if err != nil {
			return nil, plainCause(err)
		}
		if resp.StatusCode < 300 || resp.StatusCode > 399 || resp.StatusCode == http.StatusNotModified {
			return resp, nil
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		resp.Body.Close()
		next, err := u.Parse(resp.Header.Get("Location"))
		if err != nil || (next.Scheme != "http" && next.Scheme != "https") || resp.Header.Get("Location") == "" {
			return nil, brigade.Errorf(brigade.CodeDependency, "%s redirects to an address that is not http(s)", shown(u))
		}
		if u.Scheme == "https" && next.Scheme == "http" {
			return nil, brigade.Errorf(brigade.CodeDependency, "%s redirects from https to plain http", shown(u))
		}
		next.User = nil
		u = next
	}
	return nil, brigade.Errorf(brigade.CodeDependency, "%s redirects more than %d times", shown(start), maxRedirects)
}

// status makes the error of an answer that is not 200, with what the server
// has to say.
func (w *webClient) status(u *url.URL, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	text := string(body)
	for _, field := range []string{`"error":"`, `"message":"`, `"error": "`, `"message": "`} {
		if _, rest, ok := strings.Cut(text, field); ok {
			text, _, _ = strings.Cut(rest, `"`)
			break
		}
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "<") || strings.HasPrefix(text, "{") {
		text = ""
	}
	if cred, ok := w.config.credentialFor(u); ok && cred.header() != "" {
		for _, secret := range []string{cred.token, cred.basic, cred.password} {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	return &statusError{url: shown(u), status: resp.StatusCode, words: clip(text)}
}

// readBody reads an answer of at most limit bytes into memory.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, &brokenBody{fmt.Errorf("the answer broke off: %w", err)}
	}
	if int64(len(body)) > limit {
		return nil, brigade.Errorf(brigade.CodeDependency, "the answer of the registry is larger than %d MiB", limit>>20)
	}
	return body, nil
}
