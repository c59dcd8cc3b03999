package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// page adds what all lists have in common to a query.
func page(q url.Values, before string, limit int) url.Values {
	if before != "" {
		q.Set("before", before)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(min(limit, maxPage)))
	}
	return q
}

func filled(pairs map[string]string) url.Values {
	q := url.Values{}
	for name, value := range pairs {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// DeliveryFilter selects requests to gateways; empty fields select all.
type DeliveryFilter struct {
	Project string // as named by the request
	Gateway string
	Outcome brigade.Outcome
	Before  string // only deliveries with a lower ID
	Limit   int    // default 50, at most 1000
}

// Deliveries returns a page of requests to gateways, newest first and without
// bodies. next is the Before of the next page, "" after the last one.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) (list []brigade.Delivery, next string, err error) {
	q := filled(map[string]string{"project": f.Project, "gateway": f.Gateway, "outcome": string(f.Outcome)})
	var answer struct {
		Deliveries []brigade.Delivery `json:"deliveries"`
		Next       string             `json:"next"`
	}
	_, err = c.call(ctx, get("api", "deliveries").with(page(q, f.Before, f.Limit)), &answer)
	return answer.Deliveries, answer.Next, err
}

// Delivery returns one request to a gateway with its body.
func (c *Client) Delivery(ctx context.Context, id string) (*brigade.Delivery, error) {
	var d brigade.Delivery
	if _, err := c.call(ctx, get("api", "deliveries", id), &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// Redeliver handles a request to a gateway once more and returns what became
// of it.
func (c *Client) Redeliver(ctx context.Context, id string) (*brigade.Delivery, error) {
	var d brigade.Delivery
	if _, err := c.call(ctx, post("api", "deliveries", id, "redeliver"), &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// Scopes are what a token may be good for. admin includes the others.
var Scopes = []string{"read", "event:create", "admin"}

// Token is what a server keeps of a token: not the token.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`             // read, event:create, admin
	Projects  []string  `json:"projects,omitempty"` // names or IDs; empty: all
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"createdBy,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	LastUsed  time.Time `json:"lastUsed,omitzero"` // to about ten minutes
	Secret    string    `json:"token,omitempty"`   // only of one that was just made
}

// NewToken says what token to make.
type NewToken struct {
	Name      string
	Scopes    []string
	Projects  []string      // names or IDs; empty: all
	ExpiresIn time.Duration // 0: never
}

// CreateToken makes a token. Its Secret is shown here and never again.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (*Token, error) {
	body := map[string]any{"name": n.Name, "scopes": n.Scopes}
	if len(n.Projects) > 0 {
		body["projects"] = n.Projects
	}
	if n.ExpiresIn > 0 {
		body["expiresIn"] = brigade.Duration(n.ExpiresIn)
	}
	r := post("api", "tokens")
	r.body = body
	var t Token
	if _, err := c.call(ctx, r, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// Tokens returns all tokens, newest first.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	all := []Token{}
	for before := ""; ; {
		var answer struct {
			Tokens []Token `json:"tokens"`
			Next   string  `json:"next"`
		}
		if _, err := c.call(ctx, get("api", "tokens").with(page(url.Values{}, before, maxPage)), &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Tokens...)
		if before = answer.Next; before == "" {
			return all, nil
		}
	}
}

// RevokeToken makes a token open nothing any more, at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: []string{"api", "tokens", id}}, nil)
	return err
}

// AuditEntry says that somebody changed something, or tried to.
type AuditEntry struct {
	ID        string       `json:"id"`
	Time      time.Time    `json:"time"`
	Actor     string       `json:"actor"`
	Kind      string       `json:"kind"` // token, oidc or anonymous
	TokenID   string       `json:"tokenID,omitempty"`
	Action    string       `json:"action"` // project.put, event.create, token.revoke …
	Project   string       `json:"project,omitempty"`
	Target    string       `json:"target,omitempty"`
	Remote    string       `json:"remote,omitempty"`
	RequestID string       `json:"requestID"`
	Status    int          `json:"status"`
	Code      brigade.Code `json:"code,omitempty"`
	Reason    string       `json:"reason,omitempty"`
}

// AuditFilter selects entries; empty fields select all.
type AuditFilter struct {
	Actor, Action, Project string
	Before                 string // only entries with a lower ID
	Limit                  int    // default 50, at most 1000
}

// Audit returns a page of who changed what, newest first. next is the Before
// of the next page, "" after the last one.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (list []AuditEntry, next string, err error) {
	q := filled(map[string]string{"actor": f.Actor, "action": f.Action, "project": f.Project})
	var answer struct {
		Entries []AuditEntry `json:"entries"`
		Next    string       `json:"next"`
	}
	_, err = c.call(ctx, get("api", "audit").with(page(q, f.Before, f.Limit)), &answer)
	return answer.Entries, answer.Next, err
}

// Identity is who the server takes the caller for.
type Identity struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"` // token, oidc or anonymous
	TokenID  string    `json:"tokenID,omitempty"`
	Scopes   []string  `json:"scopes"`
	Projects []string  `json:"projects,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
}

// WhoAmI returns who the server takes the caller for.
func (c *Client) WhoAmI(ctx context.Context) (*Identity, error) {
	var who Identity
	if _, err := c.call(ctx, get("api", "whoami"), &who); err != nil {
		return nil, err
	}
	return &who, nil
}

// Login says how to get in.
type Login struct {
	Methods []string   `json:"methods"` // token, oidc
	OIDC    *LoginOIDC `json:"oidc,omitempty"`
}

// LoginOIDC is the OpenID provider whose ID tokens open the server, and the
// public client as which people get one.
type LoginOIDC struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"clientID"`
	Scopes   []string `json:"scopes,omitempty"`
}

// Login asks how to get in. It needs no token. A server that is too old to
// tell takes tokens.
func (c *Client) Login(ctx context.Context) (*Login, error) {
	var l Login
	_, err := c.call(ctx, get("api", "login"), &l)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return &Login{Methods: []string{"token"}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// Version asks for the server's version. It needs no token.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	_, err := c.call(ctx, get("api", "version"), &v)
	return v.Version, err
}

// Ready asks whether the server can do its work; CodeUnavailable says what does
// not work. It needs no token.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.call(ctx, get("readyz"), nil)
	return err
}
