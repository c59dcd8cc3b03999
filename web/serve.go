package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/packed"
)

// policy is what pages may do: load what is served here, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const maxFormBody = 2 << 20 // bytes of a form

// call is one request on its way through a handler.
type call struct {
	web     *Web
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	who     *Identity
	session string // the key of the session; "" without one
	formKey []byte // of the tokens in its forms
	begun   bool   // the answer has begun

	streaming bool              // the page is made again for a stream
	notices   map[string]string // what a stream was told last of each job, by its ID; "": of the build
	nonce     string            // of the forms that a stream sends: the same page is the same text

	projects []*brigade.Project // all of them, once somebody asked

	// What the audit log says, filled in by handlers of forms.
	project, target string
}

func (c *call) ctx() context.Context { return c.r.Context() }

// entry is where every request comes in.
func (w *Web) entry(rw http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	c := &call{web: w, w: rw, r: r, control: http.NewResponseController(rw)}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
				panic(v)
			}
			w.opt.Log.Error("a page failed", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			c.fail(errors.New("a page failed"))
		}
		w.opt.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "took", time.Since(begun))
	}()
	h := rw.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	now := time.Now() // the connection's clock, not the options'
	_ = c.control.SetReadDeadline(now.Add(w.opt.Limits.Request))
	_ = c.control.SetWriteDeadline(now.Add(w.opt.Limits.Request + w.opt.Limits.Write))
	w.mux.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
}

type callKey struct{}

// open serves whoever comes.
func (w *Web) open(do func(*call) error) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(callKey{}).(*call)
		if !ok {
			return
		}
		c.r = r
		if err := do(c); err != nil {
			c.fail(err)
		}
	})
}

// known serves those who may look; others are sent to the login page.
func (w *Web) known(do func(*call) error) http.Handler {
	return w.open(func(c *call) error {
		if err := c.identify(); err != nil {
			return err
		}
		if c.who == nil {
			return c.sendToLogin()
		}
		if !c.who.Read {
			return brigade.Errorf(brigade.CodeDenied, "the token of %s may not look at builds", c.who.Name).
				WithHint("log in with a token that has the scope read")
		}
		return do(c)
	})
}

// form serves a form that changes something, and sends the browser on to the
// address that do returns. Forms of other sites, and without the token that
// every page of ours gives them, are refused.
func (w *Web) form(kind string, do func(*call) (string, error)) http.Handler {
	return w.ownForm(kind, func(c *call) (string, error) {
		if !c.who.Act {
			return "", brigade.Errorf(brigade.CodeDenied, "%s may look but not change anything", c.who.Name).
				WithHint("log in with a token that has the scope event:create")
		}
		return do(c)
	})
}

// ownForm does the same for what is open to everybody who may look.
func (w *Web) ownForm(kind string, do func(*call) (string, error)) http.Handler {
	return w.known(func(c *call) error {
		to, err := c.checked(do)
		if w.opt.Audit != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), 10*time.Second)
			defer cancel()
			w.opt.Audit(ctx, Action{Actor: c.who.Name, Kind: kind, Project: c.project, Target: c.target, Remote: c.remote(), Err: err})
		}
		if err != nil {
			return err
		}
		return c.redirect(to)
	})
}

func (c *call) checked(do func(*call) (string, error)) (string, error) {
	if err := c.readForm(); err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(c.r.PostForm.Get("csrf")), []byte(c.formToken())) != 1 {
		return "", brigade.Errorf(brigade.CodeDenied, "the form is too old").WithHint("go back, reload the page and try again")
	}
	return do(c)
}

// readForm reads the body of a form of our own site.
func (c *call) readForm() error {
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		return brigade.Errorf(brigade.CodeDenied, "the form was sent by another site")
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxFormBody)
	err := c.r.ParseForm()
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return brigade.Errorf(brigade.CodeTooLarge, "the form has more than %d bytes", large.Limit).
			WithHint("send large payloads with: brig event create --payload-file")
	}
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "the form did not arrive whole")
	}
	return nil
}

func (c *call) redirect(to string) error {
	c.begun = true
	http.Redirect(c.w, c.r, to, http.StatusSeeOther)
	return nil
}

// sendToLogin sends a browser to the login page, and from there back here.
func (c *call) sendToLogin() error {
	page := c.r.Method == http.MethodGet && strings.Contains(c.r.Header.Get("Accept"), "text/html")
	if !page {
		return brigade.Errorf(brigade.CodeDenied, "you are not logged in").WithHint("log in and try again")
	}
	to := "/login"
	if at := c.r.URL.RequestURI(); at != "/" && len(at) < 2000 {
		to += "?next=" + url.QueryEscape(at)
	}
	return c.redirect(to)
}

// remote returns who sends the request, without the port.
func (c *call) remote() string {
	if f := c.web.opt.Remote; f != nil {
		return f(c.r)
	}
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// secure reports whether the browser's connection is encrypted: to us, or to a
// proxy at the address that people are told.
func (c *call) secure() bool {
	return c.r.TLS != nil || c.web.opt.Secure || c.web.opt.BaseURL != "" && "https://"+c.r.Host == strings.TrimSuffix(c.web.opt.BaseURL, "/")
}

// send answers with data, compressed when that is worth it.
func (c *call) send(status int, contentType string, data []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Add("Vary", "Accept, Accept-Encoding, Cookie")
	data, err := packed.Answer(h, c.r, data)
	if err != nil {
		return err
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.begun = true
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(data)
	}
	return nil
}

// fail answers with a page about what went wrong. What nobody foresaw is
// logged, and not shown.
func (c *call) fail(err error) {
	if c.begun {
		c.web.opt.Log.Debug("an answer broke off", "path", c.r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
	if c.ctx().Err() != nil && errors.Is(err, context.Canceled) {
		return // the client is gone
	}
	e := &brigade.Error{Code: brigade.CodeInternal, Message: "something went wrong here", Hint: "the server's log says more"}
	var known *brigade.Error
	if errors.As(err, &known) && known.Code != brigade.CodeInternal && known.Code != brigade.CodeStore {
		e = known
	}
	status := e.Code.HTTPStatus()
	if status >= 500 {
		c.web.opt.Log.Error("a page cannot be shown", "path", c.r.URL.Path, "err", err)
	}
	if !strings.Contains(c.r.Header.Get("Accept"), "text/html") {
		_ = c.send(status, "text/plain; charset=utf-8", []byte(e.Message+"\n"))
		return
	}
	p := &page{Title: titleOf(status), Status: status, Template: "error", Data: map[string]any{
		"Title": titleOf(status), "Message": e.Message, "Hint": e.Hint, "Status": status,
	}}
	if err := c.render(p); err != nil {
		c.web.opt.Log.Error("the page of an error cannot be shown", "err", err)
		http.Error(c.w, titleOf(status), status)
	}
}

func titleOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusConflict:
		return "Not possible any more"
	case http.StatusTooManyRequests:
		return "Too many attempts"
	}
	if status >= 500 {
		return "Something went wrong"
	}
	return "That did not work"
}
