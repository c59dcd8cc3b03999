package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/brigadecore/brigade/v3"
)

// keyPrefix keeps the keys of clients apart from those of gateways.
const keyPrefix = "api:"

// newEvent is an event as clients send it.
type newEvent struct {
	Type       string           `json:"type"`
	Provider   string           `json:"provider"` // default "api"
	Also       []string         `json:"also"`
	Revision   brigade.Revision `json:"revision"`
	Payload    json.RawMessage  `json:"payload"` // a text, or any JSON, which is passed on as it is
	ShortTitle string           `json:"shortTitle"`
	LongTitle  string           `json:"longTitle"`
	LogLevel   brigade.LogLevel `json:"logLevel"`
	CloneURL   string           `json:"cloneURL"`
	Script     string           `json:"script"`
	ScriptFile string           `json:"scriptFile"`
	Config     string           `json:"config"`
	Key        string           `json:"key"` // as the header Idempotency-Key
	Untrusted  bool             `json:"untrusted"`
}

// ownProviders are those that a caller may give without being admin: who
// names a gateway's would be reported to as if the event came from there.
var ownProviders = []string{"", "api", "brigade-cli"}

// createEvent stores a build for an event.
func createEvent(c *call) error {
	var in newEvent
	if err := c.body(&in); err != nil {
		return err
	}
	p, err := c.findProject()
	if err != nil {
		return err
	}
	if (in.Script != "" || in.Config != "" || in.CloneURL != "" || !slices.Contains(ownProviders, in.Provider)) && !c.who.May(ScopeAdmin) {
		return brigade.Errorf(brigade.CodeDenied, "an event with its own script, config, cloneURL or provider needs the scope %s", ScopeAdmin).
			WithHint("such a script could read every secret of the project")
	}
	e, err := in.event()
	if err != nil {
		return err
	}
	if e.Key, err = c.key(in.Key); err != nil {
		return err
	}
	e.Actor = c.who.Name
	if tp := c.r.Header.Get("Traceparent"); len(tp) == 55 {
		e.TraceParent = tp
	}
	return c.submit(p, e, brigade.Submission{Actor: c.who.Name})
}

// key is by what a repeat of the request is recognised.
func (c *call) key(inBody string) (string, error) {
	key := c.r.Header.Get("Idempotency-Key")
	switch {
	case key == "" && inBody == "":
		return "", nil
	case key == "":
		key = inBody
	case inBody != "" && inBody != key:
		return "", usage("the header Idempotency-Key and the field key differ")
	}
	if !plain(key, 255) {
		return "", usage("an idempotency key has at most 255 characters")
	}
	return keyPrefix + key, nil
}

func (in newEvent) event() (brigade.Event, error) {
	e := brigade.Event{
		Type: in.Type, Provider: in.Provider, Also: in.Also, Revision: in.Revision,
		ShortTitle: in.ShortTitle, LongTitle: in.LongTitle, LogLevel: in.LogLevel, CloneURL: in.CloneURL,
		Script: in.Script, ScriptFile: in.ScriptFile, Config: in.Config, Untrusted: in.Untrusted,
	}
	if e.Provider == "" {
		e.Provider = "api"
	}
	var err error
	if e.Payload, err = payload(in.Payload); err != nil {
		return e, err
	}
	return e, checkEvent(e)
}

// payload is what the script gets: a text as it is, other JSON as it was sent.
func payload(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	if raw[0] != '"' {
		return string(raw), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", usage("the payload is malformed")
	}
	return text, nil
}

func checkEvent(e brigade.Event) error {
	switch {
	case !plain(e.Type, 256):
		return brigade.Errorf(brigade.CodeInvalid, "an event needs a type of at most 256 characters").WithHint(`such as "exec" or "push"`)
	case !plain(e.Provider, 256):
		return brigade.Errorf(brigade.CodeInvalid, "the provider has at most 256 characters")
	case len(e.Also) > 16 || slices.ContainsFunc(e.Also, func(s string) bool { return !plain(s, 256) }):
		return brigade.Errorf(brigade.CodeInvalid, "also are at most 16 further names of the event")
	case !e.LogLevel.Valid():
		return brigade.Errorf(brigade.CodeInvalid, "there is no log level %q", e.LogLevel).WithHint("the levels are ALL, LOG, INFO, WARN, ERROR and NONE")
	case len(e.Payload) > brigade.MaxPayloadBytes:
		return brigade.Errorf(brigade.CodeTooLarge, "the payload has more than %d bytes", brigade.MaxPayloadBytes)
	case len(e.Script) > brigade.MaxScriptBytes || len(e.Config) > brigade.MaxScriptBytes:
		return brigade.Errorf(brigade.CodeTooLarge, "script and config have at most %d bytes", brigade.MaxScriptBytes)
	case len(e.Revision.Commit) > 256 || len(e.Revision.Ref) > 1024 || len(e.CloneURL) > 4096 || len(e.ScriptFile) > 1024 || len(e.ShortTitle) > 4096 || len(e.LongTitle) > 65536:
		return brigade.Errorf(brigade.CodeTooLarge, "revision, cloneURL, scriptFile and titles are too long")
	}
	return nil
}

// submit stores a build and answers with it: 201, or 200 for a repeat.
func (c *call) submit(p *brigade.Project, e brigade.Event, s brigade.Submission) error {
	b, repeat, err := c.a.opt.Control.Submit(c.r.Context(), p, e, s)
	if err != nil {
		return err
	}
	c.target = b.ID
	status := http.StatusCreated
	c.w.Header().Set("Location", "/api/builds/"+b.ID)
	if repeat {
		if b, err = c.a.opt.Store.Build(c.r.Context(), b.ID); err != nil {
			return err
		}
		was := b.Event
		if was.Type != e.Type || was.Payload != e.Payload || was.Revision != e.Revision || b.RerunOf != s.RerunOf {
			return brigade.Errorf(brigade.CodeConflict, "the idempotency key was used for another event").
				WithHint("that one started build %s", b.ID)
		}
		c.w.Header().Set("Idempotency-Replayed", "true")
		status = http.StatusOK
	}
	return c.answerBuild(status, light(b))
}

// rerun says what is to be different this time. nil leaves it as it was.
type rerun struct {
	Only       string          `json:"only"` // all (default) or failed
	Type       *string         `json:"type"`
	Payload    json.RawMessage `json:"payload"`
	Ref        *string         `json:"ref"`
	Commit     *string         `json:"commit"`
	LogLevel   *string         `json:"logLevel"`
	Script     *string         `json:"script"`
	ScriptFile *string         `json:"scriptFile"`
	Config     *string         `json:"config"`
	Key        string          `json:"key"`
}

// rerunBuild starts a build's event once more. What was not to be trusted then
// is not now.
func rerunBuild(c *call) error {
	var in rerun
	if c.r.ContentLength != 0 {
		if err := c.body(&in); err != nil {
			return err
		}
	}
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	if (in.Script != nil || in.Config != nil) && !c.who.May(ScopeAdmin) {
		return brigade.Errorf(brigade.CodeDenied, "another script or config needs the scope %s", ScopeAdmin)
	}
	inherit := in.Only == "failed"
	if in.Only != "" && in.Only != "all" && !inherit {
		return usage("only is all or failed")
	}
	if inherit && !b.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "build %s has not ended: it is not known what failed", b.ID)
	}
	p, err := c.projectOf(c.r.Context(), b.ProjectID)
	if err != nil {
		return err
	}
	if b, err = c.a.opt.Store.Build(c.r.Context(), b.ID); err != nil {
		return err
	}
	e, err := in.apply(b.Event)
	if err != nil {
		return err
	}
	if e.Key, err = c.key(in.Key); err != nil {
		return err
	}
	e.Actor, e.TraceParent = c.who.Name, ""
	return c.submit(p, e, brigade.Submission{RerunOf: b.ID, Inherit: inherit, Actor: c.who.Name})
}

func (in rerun) apply(e brigade.Event) (brigade.Event, error) {
	set := func(to *string, value *string) {
		if value != nil {
			*to = *value
		}
	}
	set(&e.Type, in.Type)
	set(&e.Script, in.Script)
	set(&e.ScriptFile, in.ScriptFile)
	set(&e.Config, in.Config)
	if in.LogLevel != nil {
		e.LogLevel = brigade.LogLevel(*in.LogLevel)
	}
	if in.Ref != nil { // the commit was that of another ref
		e.Revision = brigade.Revision{Ref: *in.Ref}
	}
	set(&e.Revision.Commit, in.Commit)
	if in.Type != nil {
		e.Also = nil
	}
	if in.Payload != nil {
		var err error
		if e.Payload, err = payload(in.Payload); err != nil {
			return e, err
		}
	}
	return e, checkEvent(e)
}
