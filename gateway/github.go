package gateway

import (
	"crypto/sha1" // #nosec: GitHub's older signature, which v1 had
	"crypto/sha256"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// GitHubOptions shape the GitHub gateway. The zero value takes webhooks of
// projects that have a shared secret and adds no tokens.
type GitHubOptions struct {
	// Secret is the key of signatures for projects without a SharedSecret, as
	// it is for a GitHub App, which has one webhook for all repositories.
	Secret string
	// App gets the tokens that check events and comments carry; nil: they
	// carry none.
	App *forge.App
	// CheckSuiteOnPR makes a requested check suite of every pull request that
	// is opened, reopened or gets commits, if GitHub sends none by itself: of
	// those from forks, and of all when there is no App.
	CheckSuiteOnPR bool
	// Client makes the requests with a project's own token.
	Client forge.Client
}

// GitHub reads the webhooks of GitHub and GitHub Enterprise.
type GitHub struct{ opt GitHubOptions }

var _ brigade.Gateway = (*GitHub)(nil)

// NewGitHub returns the gateway.
func NewGitHub(o GitHubOptions) *GitHub { return &GitHub{opt: o} }

const providerGitHub = "github"

// Name is "github".
func (*GitHub) Name() string { return providerGitHub }

// Routes is the one of v1.
func (*GitHub) Routes() []string { return []string{"POST /events/github"} }

// Read decodes a webhook. With an action it is two events, as in v1: one
// called by the event's name, one by name:action.
func (g *GitHub) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	if err := checkSize(in.Body); err != nil {
		return none, err
	}
	name := in.Header.Get("X-GitHub-Event")
	if err := checkName("event in the header X-GitHub-Event", name, maxWord); err != nil {
		return none, err
	}
	body, err := formPayload(in.Header, in.Body)
	if err != nil {
		return none, err
	}
	var p githubPayload
	if err := decode(body, &p); err != nil {
		return none, err
	}
	read, known := githubEvents[name]
	reading := brigade.Reading{Project: p.Repository.FullName, Verify: g.verify(in)}
	switch {
	case p.Repository.FullName == "" && (name == "ping" || !known): // of an App or an organization
		return brigade.Reading{Ignored: ignoredEvent(name)}, nil
	case !known:
		reading.Ignored = ignoredEvent(name)
		return reading, nil
	}
	h := githubHook{hook: hook{
		provider: providerGitHub, name: name, action: p.Action, delivery: in.Header.Get("X-GitHub-Delivery"),
		repo: p.Repository.FullName, actor: p.Sender.Login,
	}}
	read(&p, &h)
	if h.missing != "" {
		return none, brigade.Errorf(brigade.CodeInvalid, "there is no %s in the body", h.missing)
	}
	if err := h.check(); err != nil {
		return none, err
	}
	if h.ignored != "" {
		reading.Ignored = h.ignored
		return reading, nil
	}
	h.suite = g.suiteWanted(h)
	reading.Events = g.events(h, body)
	reading.Complete = patient(g.completion(h, body))
	return reading, nil
}

func ignoredEvent(name string) string {
	if name == "ping" {
		return "ping"
	}
	return "events of this type start nothing"
}

// verify checks the signature: the sha256 one when it is there, else the sha1 one.
func (g *GitHub) verify(in brigade.Inbound) func(*brigade.Project) error {
	return func(p *brigade.Project) error {
		key := keyOf(p, g.opt.Secret)
		if signature := in.Header.Get("X-Hub-Signature-256"); signature != "" {
			return checkMAC(sha256.New, key, in.Body, cutPrefix(signature, "sha256="))
		}
		return checkMAC(sha1.New, key, in.Body, cutPrefix(in.Header.Get("X-Hub-Signature"), "sha1="))
	}
}

// cutPrefix returns what follows prefix in s, and nothing when s does not
// start with it.
func cutPrefix(s, prefix string) string {
	rest, _ := strings.CutPrefix(s, prefix)
	if rest == s {
		return ""
	}
	return rest
}

// events are the one or two events of h, and those of a check suite when the
// pull request is to have one: their payload comes with completion. Their ref
// stays the pull request's, because a fork may call its branch main.
func (g *GitHub) events(h githubHook, body []byte) []brigade.Event {
	events := h.named(h.name, string(body))
	if h.suite {
		suite := h
		suite.action = "requested"
		events = append(events, suite.named("check_suite", "")...)
	}
	return events
}

func (g *GitHub) suiteWanted(h githubHook) bool {
	if !g.opt.CheckSuiteOnPR || h.name != "pull_request" {
		return false
	}
	switch h.action {
	case "opened", "synchronize", "reopened":
		return h.origin.fork || g.opt.App == nil
	}
	return false
}

// named makes the events called name and name:action.
func (h githubHook) named(name, payload string) []brigade.Event {
	events := []brigade.Event{h.event(name, payload)}
	if h.action == "" {
		return events
	}
	exact := h.event(name+":"+h.action, payload)
	if h.command {
		exact.Also = append(exact.Also, runEvent)
	}
	return append(events, exact)
}
