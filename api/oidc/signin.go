package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/brigadecore/brigade/v3"
)

// SignIn sends browsers to the provider and takes what they come back with:
// OAuth's authorization code flow with PKCE, as OpenID Connect defines it. Its
// methods may be called concurrently.
type SignIn struct{ v *Verifier }

// NewSignIn returns a SignIn for the client that o names, nil when it names
// none, or an error that names a mistake in o.
func NewSignIn(o Options) (*SignIn, error) {
	if o.ClientID == "" {
		return nil, nil
	}
	v, err := New(o)
	if err != nil {
		return nil, err
	}
	return &SignIn{v}, nil
}

// Begin returns where a browser is to go: to the provider, which sends it back
// to redirect with a code and state. What Finish returns holds the nonce; the
// code is of use only to who knows the verifier. The error is CodeUnavailable
// when the provider cannot be reached, or lets nobody sign in this way.
func (s *SignIn) Begin(ctx context.Context, state, nonce, verifier, redirect string) (string, error) {
	c, err := s.client(ctx, redirect)
	if err != nil {
		return "", err
	}
	return c.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Finish exchanges a code for an ID token, and, where the provider gives one,
// a token with which Renew gets further ones. The ID token was verified and
// holds the nonce. CodeDenied says that the provider or we do not accept it.
func (s *SignIn) Finish(ctx context.Context, code, nonce, verifier, redirect string) (token, refresh string, err error) {
	c, err := s.client(ctx, redirect)
	if err != nil {
		return "", "", err
	}
	got, err := c.Exchange(oidc.ClientContext(ctx, s.v.opt.Client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return "", "", refusal(ctx, err)
	}
	text, id, err := s.idToken(ctx, got)
	if err != nil {
		return "", "", err
	}
	if id == nil {
		return "", "", brigade.Errorf(brigade.CodeDenied, "the OpenID provider sent no ID token")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return "", "", brigade.Errorf(brigade.CodeDenied, "the OpenID provider answered something else than was asked")
	}
	return text, got.RefreshToken, nil
}

// Renew returns a new ID token for a refresh token, and the refresh token that
// is to be used from then on. CodeDenied says that there is none any more.
func (s *SignIn) Renew(ctx context.Context, refresh string) (token, next string, err error) {
	c, err := s.client(ctx, "")
	if err != nil {
		return "", "", err
	}
	from := c.TokenSource(oidc.ClientContext(ctx, s.v.opt.Client), &oauth2.Token{RefreshToken: refresh, Expiry: time.Unix(1, 0)})
	got, err := from.Token()
	if err != nil {
		return "", "", refusal(ctx, err)
	}
	text, id, err := s.idToken(ctx, got)
	if err != nil {
		return "", "", err
	}
	if id == nil {
		return "", "", brigade.Errorf(brigade.CodeDenied, "the OpenID provider sent no new ID token")
	}
	return text, got.RefreshToken, nil
}

// idToken returns the ID token of an answer and what is in it; nil when it has
// none.
func (s *SignIn) idToken(ctx context.Context, got *oauth2.Token) (string, *oidc.IDToken, error) {
	text, ok := got.Extra("id_token").(string)
	if !ok || text == "" {
		return "", nil, nil
	}
	s.v.mu.Lock()
	verifier := s.v.verifier
	s.v.mu.Unlock()
	id, err := verifier.Verify(ctx, text)
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		return "", nil, brigade.Errorf(brigade.CodeDenied, "the ID token is not accepted: %w", err)
	}
	if !slices.Contains(id.Audience, s.v.opt.ClientID) {
		return "", nil, brigade.Errorf(brigade.CodeDenied, "the ID token is for another client")
	}
	return text, id, nil
}

// client is the configuration of OAuth, once the provider was asked for it.
func (s *SignIn) client(ctx context.Context, redirect string) (*oauth2.Config, error) {
	if _, err := s.v.provider(ctx); err != nil {
		return nil, err
	}
	s.v.mu.Lock()
	found := s.v.found
	s.v.mu.Unlock()
	if found.Endpoint().AuthURL == "" || found.Endpoint().TokenURL == "" {
		return nil, brigade.Errorf(brigade.CodeUnavailable, "the OpenID provider lets nobody log in with a browser")
	}
	var supported struct {
		Scopes []string `json:"scopes_supported"`
	}
	_ = found.Claims(&supported) // without them openid is what there is
	return &oauth2.Config{
		ClientID: s.v.opt.ClientID, ClientSecret: s.v.opt.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: redirect,
		Scopes: scopesOf(s.v.opt.Scopes, supported.Scopes),
	}, nil
}

// scopesOf returns what is asked for: the configured scopes, or what the
// provider supports of the usual ones.
func scopesOf(configured, supported []string) []string {
	list := []string{oidc.ScopeOpenID}
	if len(configured) > 0 {
		for _, s := range configured {
			if s != oidc.ScopeOpenID {
				list = append(list, s)
			}
		}
		return list
	}
	for _, s := range []string{"profile", "email", "groups", oidc.ScopeOfflineAccess} {
		if slices.Contains(supported, s) {
			list = append(list, s)
		}
	}
	return list
}

// refusal tells a provider that says no from one that is away.
func refusal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said *oauth2.RetrieveError
	if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < http.StatusInternalServerError {
		return brigade.Errorf(brigade.CodeDenied, "the OpenID provider refuses: %s", said.ErrorCode)
	}
	away := brigade.Errorf(brigade.CodeUnavailable, "the OpenID provider cannot be reached")
	away.Err = fmt.Errorf("get a token: %w", err)
	return away
}
