package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	cookieName    = "brigade-session"
	securePrefix  = "__Host-" // browsers take such cookies over TLS only, and from no subdomain
	maxTokenBytes = 16 << 10
)

// cookie returns the value of a cookie of ours.
func (c *call) cookie(name string, most int) string {
	if c.secure() {
		name = securePrefix + name
	}
	if k, err := c.r.Cookie(name); err == nil && len(k.Value) <= most {
		return k.Value
	}
	return ""
}

func (c *call) setCookie(name, value string, age time.Duration, same http.SameSite) {
	k := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()), HttpOnly: true, SameSite: same, Secure: c.secure()}
	if k.Secure {
		k.Name = securePrefix + name
	}
	if value == "" {
		k.MaxAge = -1
	}
	http.SetCookie(c.w, k)
}

// identify finds out who calls; c.who stays nil when that is nobody.
func (c *call) identify() error {
	c.who, c.session, c.formKey = nil, "", nil
	if cookie := c.cookie(cookieName, 64); cookie != "" {
		one, err := c.web.sessions.find(c.ctx(), cookie, c.web.opt.Now())
		if err != nil {
			return err
		}
		if one != nil {
			who, err := c.web.sessions.identity(c.ctx(), one, &c.web.opt)
			if err != nil {
				return err
			}
			if who != nil {
				c.who, c.session, c.formKey = who, one.key, derive(cookie, "forms")
				return nil
			}
			if err := c.web.sessions.end(c.ctx(), one.key); err != nil {
				return err
			}
		}
	}
	c.who = c.web.opt.Auth.Anonymous(c.r)
	return nil
}

// formToken is what forms of this session carry: nobody who cannot read our
// pages knows it. It is the same as long as the session lasts.
func (c *call) formToken() string {
	key := c.formKey
	if key == nil {
		key = c.web.key[:]
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(c.session))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
}

func showLogin(c *call) error {
	if err := c.identify(); err == nil && c.session != "" {
		return c.redirect(c.next())
	}
	return c.loginPage(http.StatusOK, "")
}

func (c *call) loginPage(status int, problem string) error {
	c.who = nil
	next := c.next()
	at := ""
	if c.web.opt.SignIn != nil {
		at = signInPath
		if next != "/" {
			at += "?next=" + url.QueryEscape(next)
		}
	}
	return c.render(&page{Title: "Log in", Status: status, Template: "login", Data: map[string]any{
		"Next": next, "Problem": problem, "SignIn": at,
		"Plain": !c.secure() && !strings.HasPrefix(c.r.Host, "localhost") && !strings.HasPrefix(c.r.Host, "127."),
	}})
}

// next is where a login leads to: a path of ours.
func (c *call) next() string { return ownPath(c.r.FormValue("next")) }

func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(to, "/login") {
		return "/"
	}
	return to
}

// login begins a session for whoever has a token.
func login(c *call) error {
	if err := c.readForm(); err != nil {
		return err
	}
	remote, now := c.remote(), c.web.opt.Now()
	if !c.web.failures.OK(remote, now) {
		return c.loginPage(http.StatusTooManyRequests, "Too many failed attempts. Wait a minute.")
	}
	token := strings.TrimSpace(c.r.PostForm.Get("token"))
	who, err := c.authenticate(token)
	switch code := brigade.CodeOf(err); {
	case code == brigade.CodeDenied:
		c.web.failures.Take(remote, now)
		return c.loginPage(http.StatusUnauthorized, "This token is not known, has expired or was revoked.")
	case code == brigade.CodeUnavailable:
		return c.loginPage(http.StatusServiceUnavailable, "The token cannot be checked now. Try again in a moment.")
	case err != nil:
		return err
	}
	if err := c.begin(credentials{Token: token}, who); err != nil {
		return err
	}
	return c.redirect(c.next())
}

// begin begins a session, in place of the one that the browser has.
func (c *call) begin(creds credentials, who *Identity) error {
	if old := c.cookie(cookieName, 64); old != "" {
		if err := c.web.sessions.end(c.ctx(), keyOf(old)); err != nil {
			return err
		}
	}
	cookie, err := c.web.sessions.add(c.ctx(), sessionRecord{
		Owner: ownerOf(who), Created: c.web.opt.Now(), Remote: c.remote(), Agent: cut(c.r.UserAgent(), maxAgent), SignIn: creds.Refresh != "",
	}, creds, who)
	if err != nil {
		return err
	}
	c.setCookie(cookieName, cookie, c.web.opt.Limits.Session, http.SameSiteStrictMode)
	if c.web.opt.Audit != nil {
		c.web.opt.Audit(context.WithoutCancel(c.ctx()), Action{Actor: who.Name, Kind: "session.create", Remote: c.remote()})
	}
	return nil
}

func (c *call) authenticate(token string) (*Identity, error) {
	if token == "" || len(token) > maxTokenBytes {
		return nil, brigade.Errorf(brigade.CodeDenied, "this is no token")
	}
	return c.web.opt.Auth.Authenticate(c.ctx(), token)
}

func logout(c *call) error {
	if err := c.readForm(); err != nil {
		return err
	}
	if old := c.cookie(cookieName, 64); old != "" {
		if err := c.web.sessions.end(c.ctx(), keyOf(old)); err != nil {
			return err
		}
	}
	c.setCookie(cookieName, "", 0, http.SameSiteStrictMode)
	return c.redirect("/login")
}
