package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Scope is what a caller may do.
type Scope string

// The scopes. Admin includes the others; event:create does not include read.
const (
	ScopeRead        Scope = "read"         // everything but secrets
	ScopeEventCreate Scope = "event:create" // create events, rerun and cancel builds
	ScopeAdmin       Scope = "admin"        // everything

	scopeAny Scope = "any" // somebody who is known
)

var scopes = []Scope{ScopeRead, ScopeEventCreate, ScopeAdmin}

// Identity is who makes a request, and what they may do.
type Identity struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"` // token, oidc or anonymous
	TokenID  string    `json:"tokenID,omitempty"`
	Scopes   []Scope   `json:"scopes"`
	Projects []string  `json:"projects,omitempty"` // names or IDs; empty: all
	Expires  time.Time `json:"expires,omitzero"`
}

// May reports whether the identity has the scope.
func (i *Identity) May(s Scope) bool {
	return s == scopeAny || slices.Contains(i.Scopes, s) || slices.Contains(i.Scopes, ScopeAdmin)
}

// Limited reports whether the identity may see some projects only.
func (i *Identity) Limited() bool { return len(i.Projects) > 0 }

// Sees reports whether the identity may see the project with that ID and name.
func (i *Identity) Sees(projectID, name string) bool {
	if !i.Limited() {
		return true
	}
	return slices.ContainsFunc(i.Projects, func(p string) bool {
		return p == projectID || p == name || brigade.ProjectID(p) == projectID
	})
}

// Verifier knows bearer tokens that others issued, such as OIDC ID tokens.
type Verifier interface {
	// Verify returns whose token it is. CodeDenied says that it is not
	// accepted, CodeUnavailable that nobody can tell now.
	Verify(ctx context.Context, token string) (*Identity, error)
}

// Access says who may do what. The zero value lets nobody in without a token.
type Access struct {
	// Anonymous is what processes of this machine may do without a token; ""
	// is nothing. Requests that came through a proxy or from a browser's page
	// of another site are never anonymous.
	Anonymous Scope
	// OpenV1 answers the routes of v1 without a token from everywhere, and to
	// pages of every site, as v1 did.
	OpenV1 bool
	// OpenMetrics answers /metrics without a token.
	OpenMetrics bool
	// Verifier knows further tokens. It may be nil.
	Verifier Verifier
	// Origins are the sites, such as https://ci.example.org, whose pages may
	// use the API; "*" is every site.
	Origins []string
	// Remote says who sent a request, when that is not the address of the
	// connection.
	Remote func(r *http.Request) string
}

func (a Access) check() error {
	if a.Anonymous != "" && !slices.Contains(scopes, a.Anonymous) {
		return usage("there is no scope %q", a.Anonymous).WithHint("the scopes are %v", scopes)
	}
	for _, o := range a.Origins {
		if o != "*" && (!strings.Contains(o, "://") || strings.HasSuffix(o, "/")) {
			return usage("%q is not an origin", o).WithHint("write it like https://ci.example.org, without a path")
		}
	}
	return nil
}

func (a Access) metricsScope() Scope {
	if a.OpenMetrics {
		return ""
	}
	return ScopeRead
}

// authenticate finds out who calls, and refuses those who may not.
func (c *call) authenticate() error {
	rt := c.route
	if rt.need == "" || rt.v1 && c.a.opt.Access.OpenV1 && c.r.Header.Get("Authorization") == "" {
		c.who = &Identity{Name: "anonymous", Kind: "anonymous", Scopes: []Scope{ScopeRead}}
		return nil
	}
	who, err := c.identify()
	if err != nil {
		return err
	}
	c.who = who
	if !who.May(rt.need) {
		return brigade.Errorf(brigade.CodeDenied, "%s lacks the scope %s", who.Name, rt.need).
			WithHint("use a token that has it: brig token create --scope %s", rt.need)
	}
	if rt.global && who.Limited() {
		return brigade.Errorf(brigade.CodeDenied, "this is not for a token that is limited to projects")
	}
	return nil
}

// identify returns who calls.
func (c *call) identify() (*Identity, error) {
	lines := c.r.Header.Values("Authorization")
	if len(lines) == 0 {
		return c.anonymous()
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	token = strings.TrimSpace(token)
	if len(lines) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 16<<10 {
		return nil, c.unauthorized("the Authorization header is malformed")
	}
	if c.a.opt.Access.Verifier != nil && !strings.HasPrefix(token, tokenPrefix) && !c.a.failures.OK(c.remote(), time.Now()) {
		return nil, c.unauthorized("too many failed attempts") // looking at it costs more than at one of ours
	}
	who, err := c.a.Authenticate(c.r.Context(), token)
	switch brigade.CodeOf(err) {
	case "":
		return who, nil
	case brigade.CodeDenied:
		return nil, c.unauthorized("the token is not known, has expired or was revoked")
	}
	return nil, fmt.Errorf("check a token: %w", err)
}

// Authenticate returns whose token it is, for other parts of the server that
// let people in: CodeDenied when it is not accepted, CodeUnavailable when
// nobody can tell now. Who calls it bounds failed attempts.
func (a *API) Authenticate(ctx context.Context, token string) (*Identity, error) {
	switch v := a.opt.Access.Verifier; {
	case strings.HasPrefix(token, tokenPrefix):
		return a.checkToken(ctx, token)
	case v == nil:
		return nil, brigade.Errorf(brigade.CodeDenied, "unknown kind of token")
	default:
		return v.Verify(ctx, token)
	}
}

// Anonymous returns what the sender of r may do without a token, and nil when
// that is nothing.
func (a *API) Anonymous(r *http.Request) *Identity {
	access := a.opt.Access
	if access.Anonymous == "" || !local(r) || http.NewCrossOriginProtection().Check(r) != nil {
		return nil
	}
	return &Identity{Name: "local", Kind: "anonymous", Scopes: []Scope{access.Anonymous}}
}

// anonymous returns what somebody without a token may do.
func (c *call) anonymous() (*Identity, error) {
	access := c.a.opt.Access
	if access.Anonymous == "" || !local(c.r) {
		return nil, withStatus(http.StatusUnauthorized, brigade.Errorf(brigade.CodeDenied, "this needs a token").
			WithHint("send the header Authorization: Bearer …"))
	}
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		return nil, brigade.Errorf(brigade.CodeDenied, "pages of other sites need a token")
	}
	return c.a.Anonymous(c.r), nil
}

// unauthorized is the answer to bad credentials: 401, or 429 for those who
// keep trying.
func (c *call) unauthorized(why string) error {
	wait := c.a.failures.Take(c.remote(), time.Now())
	if wait > 0 {
		return &statusError{status: http.StatusTooManyRequests, wait: wait, err: brigade.Errorf(brigade.CodeLimited, "too many failed attempts")}
	}
	return withStatus(http.StatusUnauthorized, brigade.Errorf(brigade.CodeDenied, "%s", why).
		WithHint("create a token with: brig token create"))
}

// sees refuses a project that the caller may not see, as if it did not exist.
func (c *call) sees(projectID, name, noun, as string) error {
	if c.who.Sees(projectID, name) {
		return nil
	}
	return brigade.NotFound(noun, as)
}
