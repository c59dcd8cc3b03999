package gateway

import (
	"crypto/sha256"

	brigade "github.com/brigadecore/brigade/v3"
)

// Webhook takes any text from whoever can sign it. It is the smallest gateway,
// and the example of docs/guide/add-a-gateway.md.
type Webhook struct{}

var _ brigade.Gateway = (*Webhook)(nil)

// NewWebhook returns the gateway.
func NewWebhook() *Webhook { return &Webhook{} }

// Name is "webhook".
func (*Webhook) Name() string { return "webhook" }

// Routes is the one that names the project.
func (*Webhook) Routes() []string { return []string{"POST /webhook/{project}"} }

// Read makes an event of the request: its type is in the header X-Brigade-Event.
func (*Webhook) Read(in brigade.Inbound) (brigade.Reading, error) {
	project, err := namedProject(in)
	if err != nil {
		return brigade.Reading{}, err
	}
	e := brigade.Event{Provider: "webhook", Type: "webhook", Payload: string(in.Body)}
	if name := in.Header.Get("X-Brigade-Event"); name != "" {
		e.Type = name
	}
	if err := checkName("event", e.Type, maxWord); err != nil {
		return brigade.Reading{}, err
	}
	repeatable(&e, "webhook", in.Header)
	return brigade.Reading{Project: project, Verify: webhookSecret(in), Events: []brigade.Event{e}}, nil
}

// webhookSecret wants the project's GenericGatewaySecret as the bearer token,
// or the body signed with it. A sender that adds the time signs with
// "secret.time", and nobody can send its request again later.
func webhookSecret(in brigade.Inbound) func(*brigade.Project) error {
	signature := cutPrefix(in.Header.Get("X-Brigade-Signature-256"), "sha256=")
	seconds := in.Header.Get("X-Brigade-Timestamp")
	return func(p *brigade.Project) error {
		key := p.GenericGatewaySecret
		switch {
		case signature == "":
			return checkToken(key, bearer(in.Header))
		case seconds == "" || key == "":
			return checkMAC(sha256.New, key, in.Body, signature)
		case !recent(in, seconds):
			return errDenied()
		}
		return checkMAC(sha256.New, key+"."+seconds, in.Body, signature)
	}
}
