package gateway

import (
	"bytes"
	"encoding/json"

	brigade "github.com/brigadecore/brigade/v3"
)

// Generic is v1's generic gateway: whoever can send a POST starts a build.
// JSON or nothing is taken; a JSON object may ask for a revision with its
// fields ref and commit. The project's GenericGatewaySecret is in the path, as
// in v1, or the bearer token.
type Generic struct{}

var _ brigade.Gateway = (*Generic)(nil)

// NewGeneric returns the gateway.
func NewGeneric() *Generic { return &Generic{} }

// What v1 called the senders of its generic gateway, and what it checked out
// when they did not say.
const (
	providerGeneric = "GenericWebhook"
	genericRef      = "master"
)

// Name is "generic".
func (*Generic) Name() string { return "generic" }

// Routes are v1's, and the one for a bearer token.
func (*Generic) Routes() []string {
	return []string{"POST /simpleevents/v1/{project}/{secret}", "POST /simpleevents/v1/{project}"}
}

// Read makes a simpleevent of the request.
func (*Generic) Read(in brigade.Inbound) (brigade.Reading, error) {
	project, err := namedProject(in)
	if err != nil {
		return brigade.Reading{}, err
	}
	if len(bytes.TrimSpace(in.Body)) > 0 && !json.Valid(in.Body) {
		return brigade.Reading{}, brigade.Errorf(brigade.CodeInvalid, "the body is not JSON")
	}
	revision, err := revisionIn(in.Body, true)
	if err != nil {
		return brigade.Reading{}, err
	}
	if revision == (brigade.Revision{}) {
		revision.Ref = genericRef
	}
	e := brigade.Event{Provider: providerGeneric, Type: "simpleevent", Revision: revision, Payload: string(in.Body)}
	repeatable(&e, "generic", in.Header)
	return brigade.Reading{
		Project: project, Verify: genericSecret(in), Events: []brigade.Event{e},
		Answer: statusAnswer("Success. Build created"),
	}, nil
}

// genericSecret authenticates with the secret in the path or, on routes that
// have none there, with the bearer token.
func genericSecret(in brigade.Inbound) func(*brigade.Project) error {
	given := wildcard(in, "secret")
	if given == "" {
		given = bearer(in.Header)
	}
	return func(p *brigade.Project) error { return checkToken(p.GenericGatewaySecret, given) }
}
