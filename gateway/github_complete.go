package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// freshToken is how long a token in a payload is good for at least: they live
// for an hour.
const freshToken = 50 * time.Minute

// untrustedToken is what a token may do that is handed to a build which gets
// no secrets: report checks.
var untrustedToken = map[string]string{"checks": "write"}

// wrappedPayload is the payload of check events and of comments on pull
// requests. Its shape is v1's: scripts and the check-run image read it.
type wrappedPayload struct {
	Type           string          `json:"type"`
	Token          string          `json:"token"`
	TokenExpires   time.Time       `json:"tokenExpires"`
	AppID          int64           `json:"appID"`
	InstallationID int64           `json:"installationID"`
	Body           json.RawMessage `json:"body"`
	Commit         string          `json:"commit"`
	Branch         string          `json:"branch"`
}

// completion returns what is left to do with the project's settings: its fork
// policy, the pull request that was commented on, a token for the payload.
// nil: nothing.
func (g *GitHub) completion(h githubHook, body []byte) func(context.Context, *brigade.Project, []brigade.Event) ([]brigade.Event, error) {
	if !h.wrapped && !h.suite && !h.origin.fork && !h.origin.guarded {
		return nil
	}
	return func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
		if h.app != 0 && g.opt.App.Serves(p) && h.app != g.opt.App.ID() {
			return nil, &brigade.IgnoredError{Reason: "it is about a check of another GitHub App"}
		}
		if _, err := h.origin.settle(p, events); err != nil {
			return nil, err // before anything is asked for a stranger
		}
		h := h
		if h.pull != 0 {
			if err := g.lookUpPull(ctx, p, &h); err != nil {
				return nil, err
			}
			events = withRevision(events, h.revision)
		}
		events, err := h.origin.settle(p, events)
		if err != nil {
			return nil, err
		}
		return g.wrap(ctx, p, h, events, body)
	}
}

func withRevision(events []brigade.Event, r brigade.Revision) []brigade.Event {
	changed := append([]brigade.Event(nil), events...)
	for i := range changed {
		changed[i].Revision = r
	}
	return changed
}

// lookUpPull learns the commit and the origin of a pull request that was
// commented on. Without credentials it stays from a fork, for safety's sake.
func (g *GitHub) lookUpPull(ctx context.Context, p *brigade.Project, h *githubHook) error {
	if !forge.Owns(p, h.repo) {
		return nil
	}
	auth, there, err := g.credentials(ctx, p, h.repo)
	if err != nil || !there {
		return err
	}
	var pull githubPull
	address := fmt.Sprintf("%s/repos/%s/pulls/%d", forge.GitHubBase(p, g.opt.App.Base()), forge.EscapePath(h.repo), h.pull)
	if err := g.opt.Client.Do(ctx, http.MethodGet, address, auth, nil, &pull); err != nil {
		return unavailable("the pull request cannot be looked up", err)
	}
	pull.Number = h.pull
	h.setPull(&pull)
	return h.check()
}

// credentials are those of the App where it is installed, else the project's.
func (g *GitHub) credentials(ctx context.Context, p *brigade.Project, repo string) (auth forge.Auth, there bool, err error) {
	if g.opt.App.Serves(p) {
		token, err := g.opt.App.Token(ctx, repo, nil, time.Minute)
		if err == nil {
			return forge.Bearer(token.Value), true, nil
		}
		if !notInstalled(err) {
			return auth, false, unavailable("the GitHub App gets no token", err)
		}
	}
	if p.Repo.Token != "" && forge.TokenFits(p, forge.GitHubBase(p, g.opt.App.Base())) {
		return forge.Bearer(p.Repo.Token), true, nil
	}
	return auth, false, nil
}

// notInstalled reports whether the App gets no token because the repository's
// owner has not installed it.
func notInstalled(err error) bool { return forge.StatusOf(err) == http.StatusNotFound }

func unavailable(what string, err error) error {
	return &brigade.Error{Code: brigade.CodeUnavailable, Message: what, Err: err}
}

// wrap gives the events that have one their payload with a token.
func (g *GitHub) wrap(ctx context.Context, p *brigade.Project, h githubHook, events []brigade.Event, body []byte) ([]brigade.Event, error) {
	wrapped := append([]brigade.Event(nil), events...)
	for i := range wrapped {
		e := &wrapped[i]
		name, _, _ := strings.Cut(e.Type, ":")
		suite := name == "check_suite" && h.name == "pull_request"
		if !h.wrapped && !suite {
			continue
		}
		payload := wrappedPayload{Type: name, Body: body, Commit: e.Revision.Commit, Branch: h.branch}
		if suite {
			made, err := suiteBody(body, h)
			if err != nil {
				return nil, err
			}
			payload.Body = made
		}
		if err := g.addToken(ctx, p, h, *e, &payload); err != nil {
			return nil, err
		}
		text, err := encode(payload)
		if err != nil {
			return nil, err
		}
		e.Payload = string(text)
	}
	return wrapped, nil
}

// addToken puts a token into the payload, good for this repository only
// and given to no project but the repository's own. Where the App is not
// installed there is none. A script that comes from a fork gets none unless the
// project trusts forks with secrets; a trusted script of an event that is not to be trusted gets one
// that can report checks and nothing else.
func (g *GitHub) addToken(ctx context.Context, p *brigade.Project, h githubHook, e brigade.Event, payload *wrappedPayload) error {
	app := g.opt.App
	if !app.Serves(p) || !forge.Owns(p, h.repo) {
		return nil
	}
	payload.AppID = app.ID()
	var permissions map[string]string
	if e.Untrusted {
		if h.origin.fork && p.Forks.Script {
			return nil
		}
		permissions = untrustedToken
	}
	token, err := app.Token(ctx, h.repo, permissions, freshToken)
	if notInstalled(err) {
		return nil
	}
	if err != nil {
		return unavailable("the GitHub App gets no token", err)
	}
	payload.Token, payload.TokenExpires, payload.InstallationID = token.Value, token.Expires, token.Installation
	return nil
}

// suiteBody makes the webhook of a requested check suite of one about a pull
// request, which stays in it.
func suiteBody(body []byte, h githubHook) (json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := decode(body, &all); err != nil {
		return nil, err
	}
	suite, err := encode(map[string]any{
		"head_sha": h.revision.Commit, "head_branch": h.branch, "status": "queued", "conclusion": nil,
		"pull_requests": []json.RawMessage{all["pull_request"]},
	})
	if err != nil {
		return nil, err
	}
	all["action"], all["check_suite"] = json.RawMessage(`"requested"`), suite
	return encode(all)
}

// encode is json.Marshal that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the payload: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
