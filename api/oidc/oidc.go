// Package oidc lets callers in with ID tokens of an OpenID provider: people
// who signed in elsewhere, or pipelines that have an identity.
package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
)

// Options say whose tokens are accepted, and what they open.
type Options struct {
	Issuer   string // its address, as in the tokens' iss
	Audience string // as in the tokens' aud; not needed with a ClientID
	// ClientID is the public client as which people log in with brig login.
	// Tokens for it are accepted besides those for Audience. Without it people
	// bring tokens that they got elsewhere.
	ClientID string
	// ClientSecret is what the dashboard shows besides the ClientID when people
	// log in there; "" when the client is a public one.
	ClientSecret string
	// Scopes are what brig login asks the provider for; none: openid and what
	// it supports of profile, email, groups and offline_access.
	Scopes []string
	// Name is the claim by which people know the caller; default email, which
	// counts only when it is verified, and then sub.
	Name string
	// Claim is what grants look at, such as groups (the default) or
	// repository. Its value is a text or a list of texts.
	Claim  string
	Grants []Grant
	Client *http.Client     // for the provider's keys; default one with a timeout of 10 s
	Now    func() time.Time // default time.Now
}

// Grant gives scopes to those whose claim has the value.
type Grant struct {
	Value    string      `json:"value"` // "*" is everybody who has a token
	Scopes   []api.Scope `json:"scopes"`
	Projects []string    `json:"projects,omitempty"` // none: all
}

// retryAfter is how long a provider that could not be reached is left alone.
const retryAfter = 10 * time.Second

// Verifier knows the tokens of one provider. It is asked for its keys when
// the first token comes.
type Verifier struct {
	opt Options

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	found    *oidc.Provider // set with verifier
	failed   time.Time
}

var (
	_ api.Verifier    = (*Verifier)(nil)
	_ api.LoginTeller = (*Verifier)(nil)
)

// New returns a Verifier, or an error that names a mistake in o.
func New(o Options) (*Verifier, error) {
	switch {
	case !strings.HasPrefix(o.Issuer, "https://") && !strings.HasPrefix(o.Issuer, "http://127.0.0.1") && !strings.HasPrefix(o.Issuer, "http://localhost"):
		return nil, brigade.Errorf(brigade.CodeUsage, "the OIDC issuer %q is not an https address", o.Issuer)
	case o.Audience == "" && o.ClientID == "":
		return nil, brigade.Errorf(brigade.CodeUsage, "an OIDC issuer needs an audience or a client ID").WithHint("without it tokens for other services would be accepted")
	case len(o.Grants) == 0:
		return nil, brigade.Errorf(brigade.CodeUsage, "an OIDC issuer needs grants: nobody could do anything")
	}
	for _, g := range o.Grants {
		if g.Value == "" || len(g.Scopes) == 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "an OIDC grant needs a value and scopes")
		}
		for _, s := range g.Scopes {
			if s != api.ScopeRead && s != api.ScopeEventCreate && s != api.ScopeAdmin {
				return nil, brigade.Errorf(brigade.CodeUsage, "there is no scope %q", s)
			}
		}
	}
	if o.Claim == "" {
		o.Claim = "groups"
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{opt: o}, nil
}

// Login implements api.LoginTeller.
func (v *Verifier) Login() *api.Login {
	if v.opt.ClientID == "" {
		return nil
	}
	return &api.Login{Issuer: v.opt.Issuer, ClientID: v.opt.ClientID, Scopes: v.opt.Scopes}
}

// Verify returns whose token it is.
func (v *Verifier) Verify(ctx context.Context, token string) (*api.Identity, error) {
	verifier, err := v.provider(ctx)
	if err != nil {
		return nil, err
	}
	id, err := verifier.Verify(ctx, token)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, brigade.Errorf(brigade.CodeDenied, "the token is not accepted: %w", err)
	}
	if !v.forUs(id.Audience) {
		return nil, brigade.Errorf(brigade.CodeDenied, "the token is for %s", strings.Join(id.Audience, ", "))
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return nil, brigade.Errorf(brigade.CodeDenied, "the token's claims cannot be read: %w", err)
	}
	return v.identity(id, claims)
}

// provider learns once where the provider has its keys.
func (v *Verifier) provider(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	unreachable := brigade.Errorf(brigade.CodeUnavailable, "the OpenID provider cannot be reached")
	if since := v.opt.Now().Sub(v.failed); since < retryAfter {
		return nil, unreachable
	}
	// The keys are fetched with this context later, too: it must not end.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), v.opt.Client), v.opt.Issuer)
	if err != nil {
		v.failed = v.opt.Now()
		unreachable.Err = fmt.Errorf("ask the OpenID provider: %w", err)
		return nil, unreachable
	}
	v.found = p
	v.verifier = p.Verifier(&oidc.Config{SkipClientIDCheck: true, Now: v.opt.Now}) // forUs looks at it
	return v.verifier, nil
}

// forUs reports whether a token with that audience is meant for this server.
func (v *Verifier) forUs(audience []string) bool {
	return slices.ContainsFunc(audience, func(a string) bool {
		return a != "" && (a == v.opt.Audience || a == v.opt.ClientID)
	})
}

// identity maps claims to what the caller may do. Grants with and without
// projects cannot be mixed in one identity: the wider ones win.
func (v *Verifier) identity(id *oidc.IDToken, claims map[string]any) (*api.Identity, error) {
	who := &api.Identity{Name: v.name(id, claims), Kind: "oidc", Expires: id.Expiry.UTC()}
	values := texts(claims[v.opt.Claim])
	var wide, narrow []Grant
	for _, g := range v.opt.Grants {
		switch {
		case g.Value != "*" && !slices.Contains(values, g.Value):
		case len(g.Projects) == 0:
			wide = append(wide, g)
		default:
			narrow = append(narrow, g)
		}
	}
	grants := wide
	if len(wide) == 0 {
		grants = sameScopes(narrow)
	}
	if len(grants) == 0 {
		return nil, brigade.Errorf(brigade.CodeDenied, "nothing is granted to %s", who.Name)
	}
	for _, g := range grants {
		for _, s := range g.Scopes {
			if !slices.Contains(who.Scopes, s) {
				who.Scopes = append(who.Scopes, s)
			}
		}
		who.Projects = append(who.Projects, g.Projects...)
	}
	return who, nil
}

// sameScopes returns the grants that have the scopes of the first one: the
// scopes of one project must not open another.
func sameScopes(grants []Grant) []Grant {
	return slices.DeleteFunc(grants, func(g Grant) bool { return !slices.Equal(g.Scopes, grants[0].Scopes) })
}

func (v *Verifier) name(id *oidc.IDToken, claims map[string]any) string {
	if v.opt.Name != "" {
		if name, ok := claims[v.opt.Name].(string); ok && name != "" {
			return name
		}
	} else if email, ok := claims["email"].(string); ok && claims["email_verified"] == true {
		return email
	}
	return id.Subject
}

// texts returns a claim's value as a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// ParseGrant reads a grant as people type it: VALUE=SCOPE[,SCOPE][@PROJECT[,PROJECT]],
// or as JSON.
func ParseGrant(text string) (g Grant, err error) {
	if strings.HasPrefix(text, "{") {
		return g, json.Unmarshal([]byte(text), &g)
	}
	at := strings.LastIndex(text, "=")
	if at < 1 {
		return g, errors.New("write a grant like developers=read,event:create@acme/app")
	}
	scopes, projects, limited := strings.Cut(text[at+1:], "@")
	g.Value = text[:at]
	for s := range strings.SplitSeq(scopes, ",") {
		g.Scopes = append(g.Scopes, api.Scope(s))
	}
	if limited {
		g.Projects = strings.Split(projects, ",")
	}
	return g, nil
}
