package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

var requestID = lazyregexp.New(`^[A-Za-z0-9._-]{1,64}$`)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the first status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write remembers that the status is 200 when none was given.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// entry is where every request comes in.
func (a *API) entry(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	rec := &recorder{ResponseWriter: w}
	c := &call{a: a, w: rec, r: r, control: http.NewResponseController(w)}
	c.id = r.Header.Get("X-Request-Id")
	if !requestID.MatchString(c.id) {
		c.id = id.New(a.opt.Now())
	}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
				panic(v)
			}
			a.opt.Log.Error("a handler failed", "request", c.id, "panic", v, "stack", string(debug.Stack()))
			if rec.status == 0 {
				c.fail(errors.New("a handler failed"))
			}
		}
		a.opt.Log.Debug("request", "method", r.Method, "route", c.route.pattern, "status", rec.status, "took", time.Since(begun), "request", c.id)
	}()
	c.headers()
	if a.preflight(c) {
		return
	}
	c.deadlines(a.opt.Limits.Request)
	if _, pattern := a.mux.Handler(r); pattern == "" {
		c.unrouted()
		return
	}
	a.mux.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
}

type callKey struct{}

// serve returns the handler of one route.
func (a *API) serve(rt route) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(callKey{}).(*call)
		if !ok {
			return
		}
		c.route, c.r = rt, r
		err := c.handle()
		if err != nil {
			c.fail(err)
		}
		c.audit(err)
	})
}

// handle lets the caller in, or not, and runs the route's handler.
func (c *call) handle() error {
	rt, a := c.route, c.a
	if err := c.authenticate(); err != nil {
		return err
	}
	release, err := c.limitBody()
	if err != nil {
		return err
	}
	defer release()
	if rt.stream {
		_ = c.control.SetReadDeadline(time.Time{}) // it would end the request's context
		return rt.do(c)
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), a.opt.Limits.Request)
	defer cancel()
	c.r = c.r.WithContext(ctx)
	return rt.do(c)
}

// deadlines bound how long the client may take to send its request and to take
// the answer. Streams move the latter on with every part.
func (c *call) deadlines(request time.Duration) {
	now := time.Now() // the connection's clock, not the options'
	_ = c.control.SetReadDeadline(now.Add(request))
	_ = c.control.SetWriteDeadline(now.Add(request + c.a.opt.Limits.Write))
}

// headers sets what every answer carries.
func (c *call) headers() {
	h := c.w.Header()
	h.Set("X-Request-Id", c.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	origin := c.r.Header.Get("Origin")
	switch {
	case len(c.a.opt.Access.Origins) > 0:
		h.Add("Vary", "Origin")
		if origin != "" && c.a.opt.Access.allows(origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "ETag, Link, Location, X-Request-Id, Retry-After, Content-Disposition, Idempotency-Replayed")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		}
	case c.a.opt.Access.OpenV1 && strings.HasPrefix(c.r.URL.Path, "/v1/"):
		h.Set("Access-Control-Allow-Origin", "*") // as v1
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
}

// preflight answers a browser that asks before it sends a request of another
// site, and reports whether it did.
func (a *API) preflight(c *call) bool {
	r := c.r
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || !a.opt.Access.allows(r.Header.Get("Origin")) {
		return false
	}
	h := c.w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, Range, Traceparent, X-Request-Id")
	h.Set("Access-Control-Max-Age", "600")
	c.w.WriteHeader(http.StatusNoContent)
	return true
}

// unrouted answers a request for which there is no route: 404, or 405 with
// the methods there are.
func (c *call) unrouted() {
	probe := &probe{header: http.Header{}}
	h, _ := c.a.mux.Handler(c.r)
	h.ServeHTTP(probe, c.r)
	if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
		c.w.Header().Set("Allow", allow)
		c.fail(withStatus(http.StatusMethodNotAllowed, usage("%s is not possible here", c.r.Method).WithHint("use one of: %s", allow)))
		return
	}
	c.fail(notFound("there is nothing at this address").WithHint("/api/openapi.yaml lists what there is"))
}

// probe takes an answer without sending it.
type probe struct {
	header http.Header
	status int
}

// Header returns the headers set so far.
func (p *probe) Header() http.Header { return p.header }

// Write drops the body.
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader keeps the status.
func (p *probe) WriteHeader(status int) { p.status = status }

// local reports whether the request came from a process of this machine and
// not through a proxy, nor from a browser that was tricked into believing that
// another name is this machine.
func local(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	switch addr := addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return addr.IP.IsLoopback() && loopback(r.RemoteAddr) && loopback(r.Host)
	}
	return false
}

// loopback reports whether hostport names the local machine.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// remote returns who sends the request, without the port.
func (c *call) remote() string {
	if f := c.a.opt.Access.Remote; f != nil {
		return f(c.r)
	}
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

func (a Access) allows(origin string) bool {
	return origin != "" && (slices.Contains(a.Origins, origin) || slices.Contains(a.Origins, "*"))
}
