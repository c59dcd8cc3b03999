package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	cookieName       = "brigade-session"
	secureCookieName = "__Host-brigade-session" // browsers take it over TLS only, and from no subdomain
	maxTokenBytes    = 16 << 10
)

// sessions are kept in memory, by the hash of their cookie. A restart of the
// server ends them all.
type sessions struct {
	limits Limits
	mu     sync.Mutex
	byKey  map[string]*session
}

type session struct {
	token   string // asked about again from time to time
	who     *Identity
	created time.Time
	used    time.Time
	checked time.Time
}

func newSessions(l Limits) *sessions { return &sessions{limits: l, byKey: map[string]*session{}} }

// add begins a session and returns its cookie.
func (s *sessions) add(token string, who *Identity, now time.Time) (string, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	cookie := base64.RawURLEncoding.EncodeToString(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.byKey) >= s.limits.Sessions {
		s.dropOldest(now)
	}
	s.byKey[keyOf(cookie)] = &session{token: token, who: who, created: now, used: now, checked: now}
	return cookie, nil
}

// dropOldest ends the sessions that are over, or else the one that was unused
// for longest. The caller holds s.mu.
func (s *sessions) dropOldest(now time.Time) {
	oldest := ""
	for key, one := range s.byKey {
		if s.over(one, now) {
			delete(s.byKey, key)
			oldest = ""
			continue
		}
		if at, ok := s.byKey[oldest]; !ok || one.used.Before(at.used) {
			oldest = key
		}
	}
	if len(s.byKey) >= s.limits.Sessions {
		delete(s.byKey, oldest)
	}
}

func (s *sessions) over(one *session, now time.Time) bool {
	expires := one.who.Expires
	return now.Sub(one.used) > s.limits.Idle || now.Sub(one.created) > s.limits.Session || !expires.IsZero() && !now.Before(expires)
}

// find returns the session with that key, and whether its token is to be
// looked at again.
func (s *sessions) find(key string, now time.Time) (found session, ok, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byKey[key]
	if !ok {
		return session{}, false, false
	}
	if s.over(one, now) {
		delete(s.byKey, key)
		return session{}, false, false
	}
	one.used = now
	return *one, true, now.Sub(one.checked) >= s.limits.Recheck
}

func (s *sessions) renew(key string, who *Identity, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.byKey[key]; ok {
		one.who, one.checked = who, now
	}
}

func (s *sessions) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, key)
}

func keyOf(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return string(sum[:])
}

func (c *call) cookie() string {
	name := cookieName
	if c.secure() {
		name = secureCookieName
	}
	if k, err := c.r.Cookie(name); err == nil && len(k.Value) <= 64 {
		return k.Value
	}
	return ""
}

func (c *call) setCookie(value string, age time.Duration) {
	k := &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.secure(),
	}
	if k.Secure {
		k.Name = secureCookieName
	}
	if value == "" {
		k.MaxAge = -1
	}
	http.SetCookie(c.w, k)
}

// identify finds out who calls; c.who stays nil when that is nobody.
func (c *call) identify() error {
	c.who = nil
	now := c.web.opt.Now()
	if cookie := c.cookie(); cookie != "" {
		key := keyOf(cookie)
		found, ok, stale := c.web.sessions.find(key, now)
		if ok && stale {
			who, err := c.web.opt.Auth.Authenticate(c.ctx(), found.token)
			switch brigade.CodeOf(err) {
			case "":
				found.who = who
				c.web.sessions.renew(key, who, now)
			case brigade.CodeDenied: // expired or revoked
				c.web.sessions.drop(key)
				ok = false
			default:
				return err
			}
		}
		if ok {
			c.who, c.session = found.who, key
			return nil
		}
	}
	c.who = c.web.opt.Auth.Anonymous(c.r)
	return nil
}

// formToken is what forms of this session carry: nobody who cannot read our
// pages knows it.
func (c *call) formToken() string {
	mac := hmac.New(sha256.New, c.web.key[:])
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
	return c.render(&page{Title: "Log in", Status: status, Template: "login", Data: map[string]any{
		"Next": c.next(), "Problem": problem, "Plain": !c.secure() && !strings.HasPrefix(c.r.Host, "localhost") && !strings.HasPrefix(c.r.Host, "127."),
	}})
}

// next is where a login leads to: a path of ours.
func (c *call) next() string {
	to := c.r.FormValue("next")
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
	if !c.web.failures.ok(remote, now) {
		return c.loginPage(http.StatusTooManyRequests, "Too many failed attempts. Wait a minute.")
	}
	token := strings.TrimSpace(c.r.PostForm.Get("token"))
	who, err := c.authenticate(token)
	switch code := brigade.CodeOf(err); {
	case code == brigade.CodeDenied:
		c.web.failures.take(remote, now)
		return c.loginPage(http.StatusUnauthorized, "This token is not known, has expired or was revoked.")
	case code == brigade.CodeUnavailable:
		return c.loginPage(http.StatusServiceUnavailable, "The token cannot be checked now. Try again in a moment.")
	case err != nil:
		return err
	}
	if old := c.cookie(); old != "" {
		c.web.sessions.drop(keyOf(old))
	}
	cookie, err := c.web.sessions.add(token, who, now)
	if err != nil {
		return err
	}
	c.setCookie(cookie, c.web.opt.Limits.Session)
	if c.web.opt.Audit != nil {
		c.web.opt.Audit(context.WithoutCancel(c.ctx()), Action{Actor: who.Name, Kind: "session.create", Remote: remote})
	}
	return c.redirect(c.next())
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
	if old := c.cookie(); old != "" {
		c.web.sessions.drop(keyOf(old))
	}
	c.setCookie("", 0)
	return c.redirect("/login")
}
