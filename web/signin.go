package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// SignIn lets people in who are known elsewhere: OAuth's authorization code
// flow with PKCE.
type SignIn interface {
	// Begin returns where a browser is to go. It comes back to redirect with a
	// code and state. CodeUnavailable says that nobody can sign in now.
	Begin(ctx context.Context, state, nonce, verifier, redirect string) (string, error)
	// Finish exchanges the code for a token that Auth knows, and one with
	// which Renew gets further ones, or "". CodeDenied says that the code, or
	// what came for it, is not accepted.
	Finish(ctx context.Context, code, nonce, verifier, redirect string) (token, refresh string, err error)
	// Renew returns a new token, and what renews it in turn, or "" when that
	// is still refresh. CodeDenied says that there is none any more.
	Renew(ctx context.Context, refresh string) (token, next string, err error)
}

const (
	signInPath   = "/login/oidc"
	returnPath   = "/login/oidc/return"
	signInCookie = "brigade-sign-in"
	signInTime   = 10 * time.Minute
	maxPending   = 4 << 10 // bytes of the cookie of a sign-in
)

// startSignIn sends a browser to where people are known. What it must come
// back with is remembered in a cookie, which other sites cannot read or set.
func startSignIn(c *call) error {
	if c.web.opt.SignIn == nil {
		return brigade.Errorf(brigade.CodeNotFound, "people log in with a token here")
	}
	next := c.next()
	if len(next) > 2000 {
		next = "/"
	}
	state, nonce, verifier := rand.Text(), rand.Text(), rand.Text()+rand.Text()
	to, err := c.web.opt.SignIn.Begin(c.ctx(), state, nonce, verifier, c.base()+returnPath)
	if brigade.CodeOf(err) == brigade.CodeUnavailable {
		c.web.opt.Log.Warn("nobody can sign in", "err", err)
		return c.loginPage(http.StatusServiceUnavailable, "The place that knows people cannot be reached. Try again in a moment, or use a token.")
	}
	if err != nil {
		return err
	}
	pending := url.Values{"state": {state}, "nonce": {nonce}, "verifier": {verifier}, "next": {next}}
	// Lax: the browser comes back from another site.
	c.setCookie(signInCookie, pending.Encode(), signInTime, http.SameSiteLaxMode)
	return c.redirect(to)
}

// finishSignIn begins a session for whoever comes back.
func finishSignIn(c *call) error {
	if c.web.opt.SignIn == nil {
		return brigade.Errorf(brigade.CodeNotFound, "people log in with a token here")
	}
	pending, err := url.ParseQuery(c.cookie(signInCookie, maxPending))
	c.setCookie(signInCookie, "", 0, http.SameSiteLaxMode)
	q := c.r.URL.Query()
	state := pending.Get("state")
	if err != nil || state == "" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
		return c.loginPage(http.StatusBadRequest, "This login was not begun here, or too long ago. Try again.")
	}
	if q.Get("error") != "" {
		return c.loginPage(http.StatusForbidden, "The login was refused where you are known.")
	}
	remote, now := c.remote(), c.web.opt.Now()
	if !c.web.failures.OK(remote, now) {
		return c.loginPage(http.StatusTooManyRequests, "Too many failed attempts. Wait a minute.")
	}
	ctx, cancel := context.WithTimeout(c.ctx(), renewTime)
	defer cancel()
	token, refresh, err := c.web.opt.SignIn.Finish(ctx, q.Get("code"), pending.Get("nonce"), pending.Get("verifier"), c.base()+returnPath)
	var who *Identity
	if err == nil {
		who, err = c.authenticate(token)
	}
	switch code := brigade.CodeOf(err); {
	case code == brigade.CodeDenied:
		c.web.failures.Take(remote, now)
		c.web.opt.Log.Info("a sign-in was refused", "remote", remote, "err", err)
		return c.loginPage(http.StatusForbidden, "You are known, but nothing here is open to you. Ask who runs this server.")
	case code == brigade.CodeUnavailable:
		c.web.opt.Log.Warn("nobody can sign in", "err", err)
		return c.loginPage(http.StatusServiceUnavailable, "The place that knows people cannot be reached. Try again in a moment, or use a token.")
	case err != nil:
		return err
	}
	if err := c.begin(credentials{token, refresh}, who); err != nil {
		return err
	}
	// A redirect would still come from the other site, and browsers would not
	// send the cookie along: the page that is shown goes on by itself.
	next := ownPath(pending.Get("next"))
	c.who = nil
	return c.render(&page{Title: "Logged in", Template: "onward", Onward: next, Data: map[string]any{"Next": next}})
}

// base is the address under which people reach the dashboard, without a slash
// at the end.
func (c *call) base() string {
	if at := c.web.opt.BaseURL; at != "" {
		return strings.TrimSuffix(at, "/")
	}
	scheme := "http"
	if c.secure() {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host
}
