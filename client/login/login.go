// Package login gets tokens for people from an OpenID provider: with OAuth's
// device authorization flow (RFC 8628), for which a person confirms a code in
// any browser, and renews them later without asking again.
//
//	Discover → Ask (a code to show) → Wait (until it is confirmed) → Token → Renew …
package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/brigadecore/brigade/v3"
)

// maxAnswer bounds what a provider says of itself, in bytes.
const maxAnswer = 1 << 20

// usual are the scopes that are asked for when nobody says which, as far as
// the provider supports them.
var usual = []string{"profile", "email", "groups", oauth2Offline}

const oauth2Offline = "offline_access"

// Options say at which provider, and as which public client, to log in.
type Options struct {
	Issuer   string // its address, https unless it is on this machine
	ClientID string
	Scopes   []string     // openid is added; none: the usual ones
	HTTP     *http.Client // default one with a timeout of 30 s
}

// Provider is an OpenID provider.
type Provider struct {
	opt    Options
	config oauth2.Config
	revoke string
}

// Token is what a login gives. Both texts are secrets.
type Token struct {
	ID      string    // the ID token: what opens the server
	Refresh string    // renews it; "" when the provider gave none
	Expires time.Time // of ID
}

// Prompt is what a person has to confirm.
type Prompt struct {
	Code    string    // to type in at URL
	URL     string    // where to
	Whole   string    // an address that holds the code, or ""
	Expires time.Time // until when

	answer *oauth2.DeviceAuthResponse
}

// metadata is what a provider says of itself.
type metadata struct {
	Issuer     string   `json:"issuer"`
	Token      string   `json:"token_endpoint"`
	Device     string   `json:"device_authorization_endpoint"`
	Revocation string   `json:"revocation_endpoint"`
	Scopes     []string `json:"scopes_supported"`
}

// Discover asks the provider where to log in. Its error is CodeUnavailable
// when the provider cannot be reached, and CodeInvalid when it cannot be used.
func Discover(ctx context.Context, o Options) (*Provider, error) {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || !secure(issuer) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the OpenID provider %q is not an https address", o.Issuer)
	}
	m, err := o.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.Issuer != o.Issuer {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the OpenID provider at %s says that it is %q", o.Issuer, m.Issuer).
			WithHint("the server's --oidc-issuer must be spelled as the provider does")
	}
	if m.Device == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the OpenID provider %s does not support logins of devices", o.Issuer).
			WithHint("ask an administrator for a token, and log in with it: brig login URL --token-file FILE")
	}
	for _, address := range []string{m.Token, m.Device, m.Revocation} {
		u, err := url.Parse(address)
		if address != "" && (err != nil || !secure(u)) || address == "" && m.Token == "" {
			return nil, brigade.Errorf(brigade.CodeInvalid, "the OpenID provider %s names the address %q, which cannot be used", o.Issuer, address)
		}
	}
	return &Provider{opt: o, revoke: m.Revocation, config: oauth2.Config{
		ClientID: o.ClientID, Scopes: scopes(o.Scopes, m.Scopes),
		Endpoint: oauth2.Endpoint{TokenURL: m.Token, DeviceAuthURL: m.Device, AuthStyle: oauth2.AuthStyleInParams},
	}}, nil
}

// secure reports whether secrets may be sent there.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return u.Host != ""
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

func scopes(wanted, supported []string) []string {
	list := slices.Clone(wanted)
	if len(list) == 0 {
		list = slices.DeleteFunc(slices.Clone(usual), func(s string) bool {
			if len(supported) == 0 { // it does not say; refused by some when it is unknown
				return s == "groups"
			}
			return !slices.Contains(supported, s)
		})
	}
	if !slices.Contains(list, "openid") {
		list = append([]string{"openid"}, list...)
	}
	return list
}

func (o Options) metadata(ctx context.Context) (*metadata, error) {
	address := strings.TrimSuffix(o.Issuer, "/") + "/.well-known/openid-configuration"
	unreachable := func(err error) error {
		return brigade.Errorf(brigade.CodeUnavailable, "the OpenID provider %s cannot be reached: %w", o.Issuer, err).WithHint("try again later")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unreachable(err)
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, unreachable(fmt.Errorf("it answers %s", resp.Status))
	}
	var m metadata
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&m); err != nil {
		return nil, brigade.Errorf(brigade.CodeInvalid, "%s is no OpenID provider: %w", o.Issuer, err)
	}
	return &m, nil
}

func (p *Provider) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, p.opt.HTTP)
}

// Ask starts a login: the person has to confirm what it returns.
func (p *Provider) Ask(ctx context.Context) (*Prompt, error) {
	answer, err := p.config.DeviceAuth(p.context(ctx))
	if err != nil {
		return nil, p.failed(ctx, "start the login", err)
	}
	return &Prompt{Code: answer.UserCode, URL: answer.VerificationURI, Whole: answer.VerificationURIComplete, Expires: answer.Expiry, answer: answer}, nil
}

// Wait returns the token once the person has confirmed, or CodeDenied when
// they refused or took too long.
func (p *Provider) Wait(ctx context.Context, prompt *Prompt) (*Token, error) {
	t, err := p.config.DeviceAccessToken(p.context(ctx), prompt.answer)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, brigade.Errorf(brigade.CodeDenied, "nobody confirmed the code in time").WithHint("log in again")
	}
	if err != nil {
		return nil, p.failed(ctx, "wait for the login", err)
	}
	return p.token(t, "")
}

// Renew returns a new token for the refresh token of an earlier one; CodeDenied
// when the provider wants the person to log in again.
func (p *Provider) Renew(ctx context.Context, refresh string) (*Token, error) {
	t, err := p.config.TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return nil, p.failed(ctx, "renew the login", err)
	}
	return p.token(t, refresh)
}

// Revoke tells the provider that a refresh token is not needed any more, if it
// wants to know.
func (p *Provider) Revoke(ctx context.Context, refresh string) error {
	if p.revoke == "" || refresh == "" {
		return nil
	}
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}, "client_id": {p.opt.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.opt.HTTP.Do(req)
	if err != nil {
		return p.failed(ctx, "end the login", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 300 {
		return brigade.Errorf(brigade.CodeUnavailable, "end the login at %s: it answers %s", p.opt.Issuer, resp.Status)
	}
	return nil
}

// token reads the ID token of an answer.
func (p *Provider) token(t *oauth2.Token, refresh string) (*Token, error) {
	id, _ := t.Extra("id_token").(string)
	expires, ok := expiry(id)
	if !ok {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the OpenID provider %s gave no ID token", p.opt.Issuer).
			WithHint("the client must be allowed the scope openid, also when a token is renewed")
	}
	if t.RefreshToken != "" {
		refresh = t.RefreshToken
	}
	return &Token{ID: id, Refresh: refresh, Expires: expires}, nil
}

// expiry reads when a token expires. The server verifies it; this is only to
// know when to renew it.
func expiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0).UTC(), true
}

// failed says what a provider's answer means. Bodies of answers are dropped:
// they may hold secrets.
func (p *Provider) failed(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", what, cause)
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var in *url.Error
		if errors.As(err, &in) {
			err = in.Err
		}
		return brigade.Errorf(brigade.CodeUnavailable, "%s at %s: %w", what, p.opt.Issuer, err).WithHint("try again later")
	}
	switch refused.ErrorCode {
	case "access_denied":
		return brigade.Errorf(brigade.CodeDenied, "the login was refused")
	case "expired_token":
		return brigade.Errorf(brigade.CodeDenied, "nobody confirmed the code in time").WithHint("log in again")
	case "invalid_grant":
		return brigade.Errorf(brigade.CodeDenied, "the login has ended")
	case "":
		return brigade.Errorf(brigade.CodeUnavailable, "%s: %s answers %s", what, p.opt.Issuer, refused.Response.Status).WithHint("try again later")
	}
	return brigade.Errorf(brigade.CodeInvalid, "%s: %s answers %s", what, p.opt.Issuer, strings.TrimSpace(refused.ErrorCode+" "+refused.ErrorDescription))
}
