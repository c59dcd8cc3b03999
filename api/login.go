package api

import "net/http"

// Login says how people get a token of the OpenID provider that a Verifier
// believes: with OAuth's device authorization flow, as a public client.
type Login struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"clientID"`
	Scopes   []string `json:"scopes,omitempty"` // to ask for; none: what the provider supports of the usual ones
}

// LoginTeller is a Verifier whose tokens people can get by themselves.
type LoginTeller interface {
	// Login says how; nil when they cannot.
	Login() *Login
}

type loginAnswer struct {
	Methods []string `json:"methods"` // token, oidc
	OIDC    *Login   `json:"oidc,omitempty"`
}

// login says how to get in, to those who are not in yet.
func login(c *call) error {
	answer := loginAnswer{Methods: []string{"token"}}
	if v, ok := c.a.opt.Access.Verifier.(LoginTeller); ok {
		if answer.OIDC = v.Login(); answer.OIDC != nil {
			answer.Methods = append(answer.Methods, "oidc")
		}
	}
	return c.json(http.StatusOK, answer)
}
