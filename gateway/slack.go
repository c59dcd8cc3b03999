package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// Slack takes Slack's slash commands. A command /deploy is the event
// slack:deploy; its payload is a JSON object with the fields that Slack sends,
// such as text, user_name and response_url, without its outdated token.
type Slack struct{}

var _ brigade.Gateway = (*Slack)(nil)

// NewSlack returns the gateway.
func NewSlack() *Slack { return &Slack{} }

// slackSecret names the project's secret that holds the signing secret of the
// Slack app.
const slackSecret = "slackSigningSecret"

// Name is "slack".
func (*Slack) Name() string { return "slack" }

// Routes is the request URL of a project's slash commands.
func (*Slack) Routes() []string { return []string{"POST /events/slack/{project}"} }

// Read makes an event of a command, and answers to a check of the URL.
func (*Slack) Read(in brigade.Inbound) (brigade.Reading, error) {
	project, err := namedProject(in)
	if err != nil {
		return brigade.Reading{}, err
	}
	reading := brigade.Reading{Project: project, Verify: slackSignature(in)}
	kind, _, _ := mime.ParseMediaType(in.Header.Get("Content-Type"))
	if kind == "application/json" {
		err := readSlackCheck(in.Body, &reading)
		return reading, err
	}
	form, err := url.ParseQuery(string(in.Body))
	if err != nil {
		return brigade.Reading{}, brigade.Errorf(brigade.CodeInvalid, "the body is not the form that Slack sends")
	}
	if form.Get("ssl_check") == "1" {
		reading.Ignored = "Slack checks the certificate"
		return reading, nil
	}
	e, err := slackEvent(form)
	if err != nil {
		return brigade.Reading{}, err
	}
	reading.Events = []brigade.Event{e}
	reading.Answer = func(builds []*brigade.Build) (int, any) { return slackAnswer(e.ShortTitle, builds) }
	return reading, nil
}

// readSlackCheck answers to what Slack sends to a new URL. Other JSON is of
// Slack's Events API.
func readSlackCheck(body []byte, reading *brigade.Reading) error {
	var check struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if err := decode(body, &check); err != nil {
		return err
	}
	reading.Ignored = "only slash commands start builds"
	if check.Type != "url_verification" {
		return nil
	}
	if check.Challenge == "" || len(check.Challenge) > maxRef {
		return brigade.Errorf(brigade.CodeInvalid, "the request has no challenge")
	}
	reading.Ignored = "Slack checks the URL"
	reading.Answer = func([]*brigade.Build) (int, any) {
		return http.StatusOK, map[string]string{"challenge": check.Challenge}
	}
	return nil
}

func slackEvent(form url.Values) (brigade.Event, error) {
	var none brigade.Event
	command := form.Get("command")
	name := strings.TrimPrefix(command, "/")
	if err := checkName("command", name, maxWord); err != nil {
		return none, err
	}
	fields := map[string]string{}
	for field := range form {
		if field != "token" {
			fields[field] = form.Get(field)
		}
	}
	payload, err := json.Marshal(fields)
	if err != nil {
		return none, brigade.Errorf(brigade.CodeInvalid, "the body is not the form that Slack sends")
	}
	e := brigade.Event{
		Provider: "slack", Type: "slack:" + name, Payload: string(payload),
		ShortTitle: cut(firstLine(command+" "+form.Get("text")), maxShortTitle),
		Actor:      cut(form.Get("user_name"), maxShortTitle),
	}
	if e.Actor == "" {
		e.Actor = cut(form.Get("user_id"), maxShortTitle)
	}
	// One call of a command has one trigger; it is signed, so that a recorded
	// request is known even if it comes within the window.
	e.Key = eventKey("slack", form.Get("trigger_id"))
	if form.Get("trigger_id") == "" {
		e.Key = eventKey("slack", digest([]byte(form.Encode())))
	}
	return e, nil
}

// slackAnswer tells the one who typed the command, and nobody else.
func slackAnswer(command string, builds []*brigade.Build) (int, any) {
	lines := make([]string, 0, len(builds))
	for _, b := range builds {
		state := "is on its way"
		if b.State.Ended() {
			state = "ended at once: " + string(b.State)
		}
		lines = append(lines, fmt.Sprintf("Build %s of %s %s.", b.ID, b.Project, state))
	}
	if len(lines) == 0 {
		lines = append(lines, "Nothing was started.")
	}
	return http.StatusOK, map[string]string{
		"response_type": "ephemeral",
		"text":          slackText(command + "\n" + strings.Join(lines, "\n")),
	}
}

// slackText keeps a text from being read as Slack's markup for mentions and links.
func slackText(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// slackSignature checks a signature of version 0: over the time and the body,
// with the signing secret that the project holds.
func slackSignature(in brigade.Inbound) func(*brigade.Project) error {
	seconds := in.Header.Get("X-Slack-Request-Timestamp")
	signature := cutPrefix(in.Header.Get("X-Slack-Signature"), "v0=")
	signed := append([]byte("v0:"+seconds+":"), in.Body...)
	return func(p *brigade.Project) error {
		key, _ := p.Secrets[slackSecret].(string)
		err := checkMAC(sha256.New, key, signed, signature)
		if !recent(in, seconds) {
			return errDenied()
		}
		return err
	}
}
